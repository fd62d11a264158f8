"""Seals: entries as the leaves of one Merkle tree, whose signed checkpoints an outsider can hold against us."""
