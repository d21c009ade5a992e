"""Real implementations of our protocols, for tests."""
