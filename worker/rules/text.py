r"""What the rules read: the payload's files as text with line numbers, where they are text.

Rules:
    * Text is UTF-8 without NUL; anything else is binary and belongs to the file rules.
    * Lines are counted at ``\n`` alone, as editors and finding lists do, whatever else Unicode calls a line end.
    * What a person reads and what an agent reads is the same: nothing is normalised before a rule sees it.

Example::

    text_of(b"name: demo\n")  # "name: demo\n"
    text_of(b"\x7fELF")  # None
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class PayloadLike(Protocol):
    """What the rules need of a payload file."""

    @property
    def path(self) -> str:
        """Path inside the package."""

    @property
    def data(self) -> bytes | memoryview:
        """The file's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A payload file that is text.

    Attributes:
        path: Path inside the package.
        text: Its whole content.
    """

    path: str
    text: str

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield number (from 1) and text of each line, without the line feed."""
        return iter(enumerate(self.text.split("\n"), start=1))

    def line_of(self, offset: int) -> int:
        """Return the number (from 1) of the line that holds the character at ``offset``."""
        return self.text.count("\n", 0, offset) + 1


def text_of(data: bytes) -> str | None:
    """Decode a file.

    Args:
        data: Its bytes.

    Returns:
        Its text, or ``None`` when it is not UTF-8 text.
    """
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def text_files(files: tuple[PayloadLike, ...]) -> tuple[TextFile, ...]:
    """Return those of a payload's files that are text, in their order."""
    decoded = ((file.path, text_of(bytes(file.data))) for file in files)
    return tuple(TextFile(path=path, text=text) for path, text in decoded if text is not None)
