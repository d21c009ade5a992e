"""Keys in PKCS#11 tokens: the only door to a token."""
