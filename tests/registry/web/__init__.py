"""Tests of registry.web: one module a resource."""
