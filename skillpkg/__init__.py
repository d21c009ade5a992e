"""Skill packages: format, signing, verification, installation, and the command line client."""
