"""The registry's web service."""
