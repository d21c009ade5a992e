"""Real servers for tests and demonstration: each starts on loopback or a unix socket and always stops."""
