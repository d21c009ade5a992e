"""Tells by its exit status whether a program answers: ``check_health.py http://127.0.0.1:8080/healthz``.

Stands alone: nothing but the standard library, and no shell or curl in the image.
"""

from __future__ import annotations

import sys
import urllib.request

SECONDS = 3
OK = 200


def is_healthy(url: str) -> bool:
    """Tell whether something answers with 200.

    Args:
        url: Whom to ask; plain http on this machine.
    """
    if not url.startswith("http://127.0.0.1:"):
        raise ValueError(f"address - expected http://127.0.0.1:PORT - got {url!r}")
    # No proxy of the environment stands between a program and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=SECONDS) as answer:
            return bool(answer.status == OK)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_healthy(sys.argv[1]) else 1)
