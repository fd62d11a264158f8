"""Tests on Testville. They need settings made of its pack, so ``tests/architecture/test_second_city.py`` runs them in a process of their own."""
