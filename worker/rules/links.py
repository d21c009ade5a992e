"""``VET-LINK``: the hosts a package names, as an inventory for the owner and for people who review.

Rules:
    * Reported, never refused; one finding a file, with its hosts sorted.
    * ``VET-RAW-ADDRESS``: a link to a bare public IP address, which says nothing about who answers; reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from skillpkg.skillmd import Finding, Severity
from worker.rules.text import PayloadLike, text_files

MAX_HOSTS = 20
"""Hosts that are spelled out for one file."""

_LINK = re.compile(r"\b(?:https?|ftp|wss?)://(?:[^\s/@<>\"'`]{1,100}@)?([A-Za-z0-9.-]{1,253})", re.IGNORECASE)


def check_links(files: tuple[PayloadLike, ...]) -> Iterator[Finding]:
    """List the hosts that the text files name.

    Args:
        files: All files of the payload.

    Yields:
        At most one inventory and one warning a file.
    """
    for file in text_files(files):
        first: dict[str, int] = {}
        for match in _LINK.finditer(file.text):
            first.setdefault(match.group(1).lower().rstrip("."), match.start())
        if not first:
            continue
        shown = ", ".join(sorted(first)[:MAX_HOSTS]) + (", ..." if len(first) > MAX_HOSTS else "")
        line = file.line_of(min(first.values()))
        yield Finding(
            rule="VET-LINK",
            path=file.path,
            line=line,
            severity=Severity.INFO,
            message=f"names {len(first)} hosts: {shown}",
            remedy="nothing to do; the list is for review",
        )
        raw = [(offset, host) for host, offset in first.items() if _is_public_address(host)]
        if raw:
            offset, host = min(raw)
            yield Finding(
                rule="VET-RAW-ADDRESS",
                path=file.path,
                line=file.line_of(offset),
                severity=Severity.WARNING,
                message=f"a link to an address - expected a name - got {host}",
                remedy="use a name",
            )


def _is_public_address(host: str) -> bool:
    try:
        return ip_address(host).is_global
    except ValueError:
        return False
