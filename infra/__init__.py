"""The cloud deployment."""
