"""Tests that do what the documentation says."""
