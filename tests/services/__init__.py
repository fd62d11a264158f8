"""Tests that every service inherits: made of its declaration, so that a new service has them by being declared."""
