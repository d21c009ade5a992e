"""The line between a ceremony and the process that holds a token: JSON objects, one a line, over a pair of sockets.

Rules:
    * It belongs to these two processes alone: nothing of it is in arguments, environment or files. A PIN passes it
      once, on its way to the token.
    * A line has a limit; the other end's death is the end of the stream, never a hang.

Left to others: what is asked and answered (:mod:`ceremony.device`, :mod:`ceremony.device_process`).

Example::

    channel.send({"call": "inventory"})
    channel.receive()
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

MAX_LINE_BYTES = 8_388_608
"""The inventory of a token with ten thousand objects is 2 MB."""


class Channel:
    """One end of the line."""

    def __init__(self, end: socket.socket) -> None:
        """Remember the socket."""
        self._end = end
        self._reader = end.makefile("rb")

    def send(self, message: Mapping[str, object]) -> None:
        """Send a message.

        Raises:
            OSError: the other end is gone.
        """
        self._end.sendall(json.dumps(message).encode("ascii") + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """Return the next message; ``None`` when the other end is gone.

        Raises:
            OSError: it took longer than the socket waits.
        """
        line = self._reader.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """Hang up."""
        self._reader.close()
        self._end.close()
