"""Everything that tries to break in; ``docs/security.md`` says which attack is which test."""
