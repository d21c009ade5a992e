"""Tests of skillpkg."""
