"""The demonstration: the whole story of skreg on this machine, with real parts, in readable steps."""
