"""The tree of errors is the one drawn in its module, and every error speaks the same way."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

import pki.errors
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError

PKI = Path(pki.errors.__file__).parent


def drawn() -> dict[str, str]:
    """Return the families of the drawing, and who must act."""
    assert pki.errors.__doc__ is not None
    return dict(re.findall(r"^ {4}[├└]── (\w+) +(\w.*)$", pki.errors.__doc__, re.MULTILINE))


def test_drawing_shows_every_family_and_no_other() -> None:
    families = {
        name for name, kind in vars(pki.errors).items() if getattr(kind, "__module__", "") == pki.errors.__name__
    }
    assert set(drawn()) | {"ToolkitError"} == families
    assert len(drawn()) == 8


@pytest.mark.parametrize("name", drawn())
def test_families_are_siblings_below_one_root(name: str) -> None:
    assert getattr(pki.errors, name).__bases__ == (ToolkitError,)
    assert ToolkitError.__bases__ == (Exception,)


def test_error_carries_message_code_and_hint() -> None:
    error = TrustError("signature - expected a good one - got another", code="X-CODE", hint="ask again")

    assert (error.message, error.code, error.hint) == (
        "signature - expected a good one - got another",
        "X-CODE",
        "ask again",
    )
    assert str(error) == "X-CODE: signature - expected a good one - got another"
    assert PolicyError("no", code="X").hint is None


def test_code_has_to_be_given() -> None:
    with pytest.raises(TypeError):
        MalformedError("no code")  # type: ignore[call-arg] # that is what is refused


def test_error_survives_another_process() -> None:
    """A child process that holds a token hands its errors on by pickle."""
    error = pickle.loads(pickle.dumps(MalformedError("what", code="X-CODE", hint="h")))  # noqa: S301 - our own bytes

    assert type(error) is MalformedError
    assert (error.message, error.code, error.hint) == ("what", "X-CODE", "h")


def _raised() -> list[tuple[str, str, str]]:
    """Return file, message and code of errors raised with plain words."""
    pattern = re.compile(r'\w+Error\(\s*f?"([^"]+)"(?:\s*f?"[^"]*")*\s*,\s*code="([^"]+)"')
    return [
        (path.name, message, code)
        for path in PKI.rglob("*.py")
        for message, code in pattern.findall(path.read_text("utf-8"))
    ]


def test_messages_begin_in_lower_case_and_codes_are_of_one_form() -> None:
    found = _raised()
    assert len(found) > 50
    # A standard's word keeps its own spelling: nextUpdate, CRL, PKCS#11.
    shouting = [entry for entry in found if re.match(r"[A-Z][a-z]", entry[1])]
    assert shouting == []
    assert [entry for entry in found if entry[1].endswith(".")] == []
    assert [entry for entry in found if not re.fullmatch(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+", entry[2])] == []
