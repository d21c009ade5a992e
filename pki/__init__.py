"""Public key infrastructure for skills: keys, certificates, revocation lists, signatures, time-stamps, verification."""
