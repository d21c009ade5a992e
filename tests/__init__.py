"""Tests, the real servers they start, the demonstration and the measurements."""
