"""Tests of the command line of skillpkg."""
