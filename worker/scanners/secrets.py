"""Secrets left in a package, found by the detectors of detect-secrets and a few of our own.

Rules:
    * Only detectors for tokens of a fixed shape; guesses from entropy or from words like "password" are not used.
    * A detector's patterns are read directly, never through ``detect_secrets.scan``: the library's filters honour
      ``pragma: allowlist secret`` comments in the scanned file, its scan swallows unreadable files, and its
      verification would send what it found to the internet.
    * Whole matches count: ``findall`` of the library yields only a group of some patterns (``ghp``).
    * The secret itself never stands in a finding.
    * A value that says of itself that it is an example is reported, not refused.
    * Detectors that cannot be loaded are an error: ``VET-SCANNER``.

Example::

    [found.kind for found in find_secrets("token = ghp_" + "x7" * 18)]  # ["GitHub Token"]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from pki.errors import ConfigurationError

MAX_LINE = 20_000
"""Characters of a line that are read; ``VET-LONG-LINE`` reports longer ones."""

_DETECTORS = (
    ("artifactory", "ArtifactoryDetector"),
    ("aws", "AWSKeyDetector"),
    ("azure_storage_key", "AzureStorageKeyDetector"),
    ("discord", "DiscordBotTokenDetector"),
    ("github_token", "GitHubTokenDetector"),
    ("gitlab_token", "GitLabTokenDetector"),
    ("mailchimp", "MailchimpDetector"),
    ("npm", "NpmDetector"),
    ("openai", "OpenAIDetector"),
    ("private_key", "PrivateKeyDetector"),
    ("pypi_token", "PypiTokenDetector"),
    ("sendgrid", "SendGridDetector"),
    ("slack", "SlackDetector"),
    ("square_oauth", "SquareOAuthDetector"),
    ("stripe", "StripeDetector"),
    ("telegram_token", "TelegramBotTokenDetector"),
    ("twilio", "TwilioKeyDetector"),
)
"""Module and class in ``detect_secrets.plugins``."""

_OWN = (
    ("Anthropic Key", re.compile(r"\bsk-ant-[A-Za-z0-9_-]{24,200}")),
    ("GitHub Token", re.compile(r"\bgithub_pat_[A-Za-z0-9_]{50,100}")),
    ("Google API Key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("Registry Token", re.compile(r"\bskreg_[A-Za-z0-9_-]{20,200}")),
    ("Private Key", re.compile(r"-----BEGIN (?:[A-Z]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")),
)
_EXAMPLE = re.compile(r"example|dummy|fake|placeholder|changeme|your|x{6}|X{6}|\.{3}|1234567|abcdef|0{8}|<")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A place that holds something of the shape of a secret.

    Attributes:
        kind: What it looks like: ``"GitHub Token"``.
        line: Line number from 1.
        example: Whether the value says of itself that it is no real one.
    """

    kind: str
    line: int
    example: bool


def secrets_engine() -> str:
    """Return name and version of the scanner, for verdicts.

    Raises:
        ConfigurationError: it is not installed (``VET-SCANNER``).
    """
    try:
        return f"detect-secrets/{version('detect-secrets')}"
    except PackageNotFoundError as error:
        raise _unavailable("detect-secrets is not installed") from error


def load_detectors() -> None:
    """Load the detectors now instead of at first use.

    Raises:
        ConfigurationError: they cannot be loaded (``VET-SCANNER``).
    """
    _patterns()


def find_secrets(text: str) -> Iterator[Secret]:
    """Look for secrets.

    Args:
        text: A text file's content.

    Yields:
        One entry for each kind and line.

    Raises:
        ConfigurationError: the detectors cannot be loaded (``VET-SCANNER``).
    """
    patterns = _patterns()
    for number, line in enumerate(text.split("\n"), start=1):
        found: dict[str, bool] = {}
        for kind, pattern in patterns:
            for match in pattern.finditer(line[:MAX_LINE]):
                example = _EXAMPLE.search(match.group().lower()) is not None
                found[kind] = found.get(kind, True) and example
        for kind, example in found.items():
            yield Secret(kind=kind, line=number, example=example)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    patterns: list[tuple[str, re.Pattern[str]]] = list(_OWN)
    for module, name in _DETECTORS:
        try:
            detector = getattr(import_module(f"detect_secrets.plugins.{module}"), name)
            patterns += [(str(detector.secret_type), pattern) for pattern in detector.denylist]
        except (ImportError, AttributeError) as error:
            raise _unavailable(f"detector {name} of detect-secrets cannot be loaded") from error
    return tuple(patterns)


def _unavailable(message: str) -> ConfigurationError:
    return ConfigurationError(message, code="VET-SCANNER", hint="install the extra skreg[worker]")
