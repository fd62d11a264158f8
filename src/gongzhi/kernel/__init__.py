"""The kernel: places, people's posts, records, acts and their ledger. It knows no desk and no city."""
