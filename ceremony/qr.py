"""A digest as a QR code, so that a telephone can compare what eyes would skip.

Rules:
    * The code holds the hexadecimal digits in capitals and nothing else: no address, nothing that a reader would open.

Example::

    squares(fingerprint)[0][0]
"""

from __future__ import annotations

import segno

QUIET = 4
"""Empty modules on each side (ISO/IEC 18004 6.3.8)."""


def squares(digest: str) -> tuple[tuple[bool, ...], ...]:
    """Return the code's rows from the top, dark modules true, without the quiet zone."""
    code = segno.make_qr(digest.upper(), error="m")
    return tuple(tuple(bool(module) for module in row) for row in code.matrix)
