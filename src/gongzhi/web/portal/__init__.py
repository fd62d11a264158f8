"""The residents' portal: three doors, no account, its own frame."""
