"""Scanners that are not ours, each behind one narrow door that fails closed."""
