"""Tests of the secret scanner and its rule; every secret is made up and written in pieces."""

from __future__ import annotations

import pytest

from skillpkg.skillmd import Severity
from tests.worker.payload import text_file
from worker.rules.secrets import check_secrets
from worker.scanners.secrets import find_secrets, secrets_engine

TOKENS = {
    "GitHub Token": "ghp_" + "aB3dE6gH9j" * 3 + "kLmN2p",
    "AWS Access Key": "AKIA" + "Q3EGZ7WTNP5KVJ2R",
    "Stripe Access Key": "sk_" + "live_" + "a8Kd03jf72LsPqw9ZmN4bVxT",
    "Private Key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "Anthropic Key": "sk-" + "ant-api03-" + "q8ZkPw3nVb7TrXy2LmDs9HgC",
    "Google API Key": "AIza" + "SyB7q9Kd3LmPz5RtWx2VnCj8Hs4GfQeYu1T",
    "Registry Token": "skreg_" + "q8ZkPw3nVb7TrXy2LmDs9HgC",
}


@pytest.mark.parametrize(("kind", "token"), TOKENS.items())
def test_secret_is_refused_and_not_repeated(kind: str, token: str) -> None:
    findings = list(check_secrets(text_file("a.env", f"first\nKEY={token}\n")))
    assert findings, kind
    assert {finding.rule for finding in findings} == {"VET-SECRET"}
    assert {finding.line for finding in findings} == {2}
    assert all(finding.severity is Severity.ERROR for finding in findings)
    assert any(kind in finding.message for finding in findings)
    assert not any(token in finding.message + finding.remedy for finding in findings)


def test_allowlist_comment_of_the_scanned_file_does_not_help() -> None:
    text = f"KEY={TOKENS['GitHub Token']}  # pragma: allowlist secret\n"
    assert [finding.severity for finding in check_secrets(text_file("a.py", text))] == [Severity.ERROR]


def test_value_that_calls_itself_an_example_is_reported_only() -> None:
    (finding,) = check_secrets(text_file("a.md", "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7" + "EXAMPLE\n"))
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("text", ["password = get_password()", "token: <your token>", "sk-learn", "uuid 0f8fad5b-d9cb"])
def test_ordinary_text_passes(text: str) -> None:
    assert not list(find_secrets(text))


def test_engine_names_its_version() -> None:
    assert secrets_engine().startswith("detect-secrets/1.")
