"""Tokens are kept for their owner's eyes only, and never repeated."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pki.errors import ConfigurationError, MalformedError, NotFoundError
from skillpkg.credentials import FILE_NAME, load_token, parse_token, store_token

REGISTRY = "https://skills.example"
TOKEN = "skreg_0123456789abcdefghij"


def test_a_token_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "skreg"
    file = store_token(folder, REGISTRY, TOKEN)
    assert load_token(folder, REGISTRY) == TOKEN
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [entry.name for entry in folder.iterdir()] == [FILE_NAME]


def test_tokens_of_other_registries_stay(tmp_path: Path) -> None:
    store_token(tmp_path, REGISTRY, TOKEN)
    store_token(tmp_path, "https://other.example", TOKEN + "2")
    assert load_token(tmp_path, REGISTRY) == TOKEN


def test_no_token_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_token(tmp_path, REGISTRY)
    assert caught.value.code == "CLI-NO-TOKEN"
    assert "login" in (caught.value.hint or "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    store_token(tmp_path, REGISTRY, TOKEN).chmod(mode)
    with pytest.raises(ConfigurationError) as caught:
        load_token(tmp_path, REGISTRY)
    assert caught.value.code == "CLI-CREDENTIALS"


@pytest.mark.parametrize("content", [TOKEN, "[]", '{"https://skills.example": 1}', "[" * 100_000, '{"a": "skreg_x"'])
def test_a_broken_file_is_refused_without_repeating_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / FILE_NAME
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        load_token(tmp_path, REGISTRY)
    assert caught.value.code == "CLI-CREDENTIALS"
    assert "skreg_" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    store_token(tmp_path / "real", REGISTRY, TOKEN)
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "real" / FILE_NAME)
    with pytest.raises(ConfigurationError) as caught:
        load_token(tmp_path, REGISTRY)
    assert caught.value.code == "CLI-CREDENTIALS"


@pytest.mark.parametrize("text", ["", "token", "skreg_short", "skreg_0123456789abcdef ghij", "skreg_" + "a" * 201])
def test_what_is_no_token_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_token(text)
    assert caught.value.code == "CLI-TOKEN"
    assert caught.value.message == "that is not a token: expected skreg_ and letters, digits, _ or -"


def test_white_space_around_a_token_does_not_matter() -> None:
    assert parse_token(f" {TOKEN}\n") == TOKEN
