"""What ``cryptography`` raises on certificates, CRLs and requests that it cannot read.

They have no common root: ``InvalidVersion`` and its like are no ``ValueError``. Whoever parses catches all of them and
lets out an error of its own.

Some things it only warns of, such as a serial number that is not positive: where warnings are errors they count as
unreadable, elsewhere the profiles refuse them.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE = (
    ValueError,
    # a BIT STRING as an attribute of a name
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
