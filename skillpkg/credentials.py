"""Tokens of registries, in a file that only its owner can read.

``credentials.json`` beside the configuration: ``{"https://skills.example": "skreg_..."}``.

Rules:
    * The file has mode 0600 and belongs to the person who runs this; a file that others can read is refused.
    * A token is never printed, logged, or part of an error.
    * A token is sent to the registry it was given for, and to nobody else.

Example::

    store_token(settings.config_folder, "https://skills.example", token)
    token = load_token(settings.config_folder, "https://skills.example")
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

from pki.errors import ConfigurationError, MalformedError, NotFoundError
from skillpkg.files import write_file

MAX_CREDENTIALS_BYTES = 262_144
"""Thousands of tokens."""

FILE_NAME = "credentials.json"
"""Beside ``config.toml``."""

_TOKEN = re.compile(r"skreg_[A-Za-z0-9_-]{16,200}")
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def parse_token(text: str) -> str:
    """Check that a text looks like a token.

    Args:
        text: What was typed or piped; white space around it is taken away.

    Returns:
        The token.

    Raises:
        MalformedError: ``CLI-TOKEN``; the text is not repeated.
    """
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise MalformedError("that is not a token: expected skreg_ and letters, digits, _ or -", code="CLI-TOKEN")
    return token


def store_token(folder: Path, registry: str, token: str) -> Path:
    """Remember a token.

    Args:
        folder: The configuration folder; made if missing.
        registry: Its registry's identity.
        token: From :func:`parse_token`.

    Returns:
        The file it is in.

    Raises:
        ConfigurationError: as for :func:`load_token`.
    """
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    tokens = {**_load(folder / FILE_NAME), registry: token}
    content = json.dumps(tokens, indent=1, sort_keys=True).encode() + b"\n"
    write_file(folder / FILE_NAME, content, mode=_FILE_MODE)
    return folder / FILE_NAME


def load_token(folder: Path, registry: str) -> str:
    """Look a token up.

    Args:
        folder: The configuration folder.
        registry: The registry's identity.

    Returns:
        The token.

    Raises:
        NotFoundError: ``CLI-NO-TOKEN``.
        ConfigurationError: ``CLI-CREDENTIALS`` - the file cannot be used as it is.
    """
    token = _load(folder / FILE_NAME).get(registry)
    if token is None:
        raise NotFoundError(
            f"no token for {registry}", code="CLI-NO-TOKEN", hint=f"skillpkg login --registry {registry}"
        )
    return token


def _load(file: Path) -> dict[str, str]:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}", code="CLI-CREDENTIALS") from error
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & _OTHERS or status.st_uid != os.geteuid():
            raise ConfigurationError(
                f"{file}: others may read or own it", code="CLI-CREDENTIALS", hint=f"chmod 600 {file}"
            )
        content = stream.read(MAX_CREDENTIALS_BYTES + 1)
    return _parse(content, file)


def _parse(content: bytes, file: Path) -> dict[str, str]:
    hint = "remove the file and log in again"
    try:
        tokens = json.loads(content)
    except (ValueError, RecursionError):
        # Not "from error": the parser's message quotes the file, which holds secrets.
        raise ConfigurationError(f"{file}: not JSON", code="CLI-CREDENTIALS", hint=hint) from None
    if not isinstance(tokens, dict) or not all(isinstance(token, str) for token in tokens.values()):
        raise ConfigurationError(f"{file}: expected tokens by registry", code="CLI-CREDENTIALS", hint=hint)
    return tokens
