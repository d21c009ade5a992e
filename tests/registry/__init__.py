"""Tests of registry: the web service on a real database, store and time-stamping authority."""
