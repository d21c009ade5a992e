"""What the workers trust: the bundle file that their settings name.

Rules:
    * It is read from disk at the start, never from database or store: whoever writes there must not choose roots or
      officers.
"""

from __future__ import annotations

from pathlib import Path

from pki.errors import ConfigurationError, ToolkitError
from pki.trust import MAX_BUNDLE_SIZE, TrustBundle, parse_bundle


def load_bundle(path: Path) -> TrustBundle:
    """Read the trust bundle.

    Args:
        path: The file.

    Raises:
        ConfigurationError: it cannot be read, or is none (``WRK-BUNDLE``).
    """
    try:
        with path.open("rb") as file:
            return parse_bundle(file.read(MAX_BUNDLE_SIZE + 1))
    except OSError as error:
        raise ConfigurationError(
            f"trust bundle {path.name} cannot be read: {error.strerror}",
            code="WRK-BUNDLE",
            hint="SKREG_WORKER_BUNDLE names the bundle.json of the root ceremony",
        ) from error
    except ToolkitError as error:
        raise ConfigurationError(
            f"trust bundle {path.name} - {error.message}", code="WRK-BUNDLE", hint=error.hint
        ) from error
