"""Tests of importing tables."""
