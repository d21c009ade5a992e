"""The line to a token's process carries whole messages, and ends when the other end does."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from ceremony.channel import MAX_LINE_BYTES, Channel


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    channel = Channel(ours)
    with theirs:
        yield channel, theirs
    channel.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, socket.socket]) -> None:
    channel, socket_ = ends
    other = Channel(socket_)
    for message in ({"call": "sign", "label": "r\u00f6t\n"}, {"pin": ""}, {}):
        channel.send(message)
    assert [other.receive() for _ in range(3)] == [{"call": "sign", "label": "r\u00f6t\n"}, {"pin": ""}, {}]
    other.close()


def test_end_of_the_other_end_is_the_end(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.sendall(b'{"result": "cut off')
    theirs.shutdown(socket.SHUT_WR)
    assert channel.receive() is None


def test_line_without_end_is_cut_off(ends: tuple[Channel, socket.socket]) -> None:
    channel, theirs = ends
    theirs.setblocking(False)
    sent = 0
    for _ in range(MAX_LINE_BYTES):  # bounded by what a socket holds
        try:
            sent += theirs.send(b"x" * 65_536)
        except BlockingIOError:
            break
    assert sent < MAX_LINE_BYTES
    theirs.shutdown(socket.SHUT_WR)
    assert channel.receive() is None


def test_silence_is_not_waited_for_longer_than_said() -> None:
    ours, theirs = socket.socketpair()
    ours.settimeout(0.05)
    channel = Channel(ours)
    with theirs, pytest.raises(TimeoutError):
        channel.receive()
    channel.close()
