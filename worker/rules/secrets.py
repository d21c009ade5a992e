"""``VET-SECRET``: secrets do not belong into a package, which everybody can read and nobody can take back.

Rules:
    * Something of the shape of a real secret is refused; one that says of itself that it is an example is reported.
    * The finding names kind and line, never the value.
"""

from __future__ import annotations

from collections.abc import Iterator

from skillpkg.skillmd import Finding, Severity
from worker.rules.text import PayloadLike, text_files
from worker.scanners.secrets import find_secrets


def check_secrets(files: tuple[PayloadLike, ...]) -> Iterator[Finding]:
    """Look for secrets in all text files.

    Args:
        files: All files of the payload.

    Yields:
        One finding for each kind and line.

    Raises:
        ConfigurationError: the scanner is not there (``VET-SCANNER``).
    """
    for file in text_files(files):
        for secret in find_secrets(file.text):
            got = "an example" if secret.example else "one"
            yield Finding(
                rule="VET-SECRET",
                path=file.path,
                line=secret.line,
                severity=Severity.WARNING if secret.example else Severity.ERROR,
                message=f"{secret.kind} - expected no secret in a package - got {got}",
                remedy="revoke it where it is valid, and read it from the environment instead",
            )
