"""Tests that take long: make test-long."""
