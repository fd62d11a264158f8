"""Tests: behaviour first, through act() or a real HTTP request, on real PostgreSQL."""
