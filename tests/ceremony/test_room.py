"""The room: exact words, hidden PINs, a keyboard or prepared lines; through a real terminal where there must be one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ceremony.layout import WIDTH
from ceremony.room import MAX_LINES_BYTES, Practice, Terminal, read_lines
from pki.errors import ConfigurationError, PolicyError, ToolkitError
from tests.ceremony.typist import Typist
from tests.demo.programs import clean_environment

PIN = "97531246"
PROGRAM = """
import sys
from ceremony.room import Terminal
from pki.errors import ToolkitError
room = Terminal(tokens=("root", "spare"))
try:
    room.confirm("that this shall be signed", "sign root")
    print(len(room.pin("root")))
except ToolkitError as error:
    print(error.code)
"""


@pytest.fixture
def typist(tmp_path: Path) -> Typist:
    return Typist([sys.executable, "-c", PROGRAM], clean_environment(), cwd=tmp_path)


def test_pin_is_typed_without_echo(typist: Typist) -> None:
    with typist:
        typist.expect("Type: sign root")
        typist.expect("> ")  # else what is typed is echoed before it
        typist.type("sign root")
        typist.expect("PIN of token root")
        typist.type(PIN)
        assert typist.end() == (0, f"{len(PIN)}\n")
    assert "> sign root" in typist.screen
    assert PIN not in typist.screen
    assert max(map(len, typist.screen.splitlines())) <= WIDTH


def test_long_text_waits_after_each_screen(tmp_path: Path) -> None:
    shown = "\\n".join(f"line {number}" for number in range(60))
    program = f"from ceremony.room import Terminal; Terminal(tokens=()).show('{shown}'); print('read')"
    with Typist([sys.executable, "-c", program], clean_environment(), cwd=tmp_path) as typist:
        for number in (1, 2, 3):
            typist.expect(f"-- part {number} of 3; Enter goes on --\n")
            assert f"line {22 * number - 22}" in typist.visible()
            assert f"line {22 * number}" not in typist.screen
            typist.type("")
        assert typist.end() == (0, "read\n")
    assert all(f"line {number}\n" in typist.screen for number in range(60))


def test_prepared_answers_wait_for_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(f"line {number}" for number in range(60))
    Terminal(tokens=(), answers=["sign root"]).show(text)
    assert capsys.readouterr().err == f"{text}\n"


@pytest.mark.parametrize("word", ["sing root", "Sign root", "sign root!", "yes", "", "force"])
def test_other_words_are_refused(word: str, typist: Typist) -> None:
    with typist:
        typist.expect("Type: sign root")
        typist.type(word)
        assert typist.end() == (0, "CER-ANSWER\n")


def test_blanks_around_the_words_do_not_matter(typist: Typist) -> None:
    with typist:
        typist.expect("Type: sign root")
        typist.type("  sign   root ")
        typist.expect("PIN of token root")


def test_end_of_input_is_no_answer(typist: Typist) -> None:
    with typist:
        typist.expect("Type: sign root")
        os.write(typist._terminal, b"\x04")
        assert typist.end() == (0, "CER-ANSWER\n")


def test_empty_pin_is_not_tried(typist: Typist) -> None:
    with typist:
        typist.expect("> ")
        typist.type("sign root")
        typist.expect("PIN of token root")
        typist.type("")
        assert typist.end() == (0, "CER-PIN\n")


def test_pin_is_not_asked_for_where_it_would_be_shown(tmp_path: Path) -> None:
    """Without a terminal there is no echo to turn off; what stands on standard input is not taken for a PIN."""
    program = "from ceremony.room import ask_secret; print(ask_secret('PIN: '))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=f"{PIN}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        start_new_session=True,
    )
    assert done.returncode != 0
    assert "CER-PIN" in done.stderr
    assert PIN not in done.stdout + done.stderr


def test_prepared_answers_are_taken_in_order() -> None:
    room = Terminal(tokens=(), answers=["one", "two"])
    room.confirm("this", "one")
    room.confirm("that", "two")
    with pytest.raises(PolicyError) as caught:
        room.confirm("more", "three")
    assert caught.value.code == "CER-ANSWER"


def test_message_about_wrong_words_does_not_repeat_them() -> None:
    with pytest.raises(PolicyError) as caught:
        Terminal(tokens=(), answers=[PIN]).confirm("this", "one")
    assert PIN not in str(caught.value)


def test_prepared_pins_belong_to_tokens_in_order() -> None:
    room = Terminal(tokens=("b", "a"), pins=["1", "2"])
    assert (room.pin("a"), room.pin("b")) == ("2", "1")
    assert "1" not in repr(room)


@pytest.mark.parametrize("pins", [[], ["1"], ["1", "2", "3"]])
def test_other_number_of_pins_is_refused(pins: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Terminal(tokens=("a", "b"), pins=pins)
    assert caught.value.code == "CER-PIN"


def test_prepared_pin_that_is_empty_is_not_tried() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Terminal(tokens=("a",), pins=[""]).pin("a")
    assert caught.value.code == "CER-PIN"


def test_rehearsal_says_what_would_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    room = Practice({"root": "1"})
    room.confirm("this", "sign root")
    assert room.pin("root") == "1"
    said = capsys.readouterr()
    assert "type: sign root" in said.err
    assert said.out == ""
    Practice({}, quiet=True).confirm("this", "sign root")
    assert capsys.readouterr() == ("", "")


def pipe(data: bytes) -> int:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    return reader


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n", ["a"]),
        (b"a", ["a"]),
        (b"a\nb\n", ["a", "b"]),
        (b"\n", [""]),
        (b"a\n\n", ["a", ""]),
        # Part of a PIN for all we know.
        ("a\x0bb\u2028c \n".encode(), ["a\x0bb\u2028c "]),
    ],
)
def test_lines_of_a_descriptor_are_read_as_they_are(data: bytes, lines: list[str]) -> None:
    descriptor = pipe(data)
    assert read_lines(descriptor) == lines
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


def too_much() -> int:
    path = os.memfd_create("lines")
    os.write(path, b"x" * (MAX_LINES_BYTES + 1))
    os.lseek(path, 0, os.SEEK_SET)
    return path


@pytest.mark.parametrize("make", [lambda: 9_999, lambda: pipe(b"\xff\xfe"), too_much], ids=["none", "no text", "long"])
def test_descriptor_without_lines_of_text_is_refused(make: Callable[[], int]) -> None:
    with pytest.raises(ToolkitError) as caught:
        read_lines(make())
    assert caught.value.code == "CER-FD"
