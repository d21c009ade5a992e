"""Every end of a submission but one is an error of its own, and nobody waits for ever."""

from __future__ import annotations

import json

import pytest

from pki.errors import MalformedError, PolicyError, TransportError
from skillpkg.answers import Submission, SubmissionFinding
from skillpkg.client import RegistryClient
from skillpkg.publish import FINAL, PUBLISHED, require_published, send, statement_of, wait
from skillpkg.transports import open_transport
from tests.fakes.loopback import Answer, LoopbackServer
from tests.skillpkg.skills import unsigned

TOKEN = "skreg_0123456789abcdefghij"


def state(word: str) -> Answer:
    return Answer(body=json.dumps({"id": "7", "state": word}).encode(), content_type="application/json")


def finding(severity: str) -> SubmissionFinding:
    return SubmissionFinding(rule="VET-SECRET", file="a", line=1, severity=severity, message="m", remedy="r")


def test_each_new_state_is_told_once_until_the_end() -> None:
    with LoopbackServer() as server:
        server.answer("/v1/submissions/7", *map(state, ["vetting", "vetting", "signing", "published"]))
        client, told = RegistryClient(open_transport(server.url)), list[Submission]()
        end = wait(client, Submission(id="7", state="received"), token=TOKEN, tell=told.append, seconds=60)
    assert (end.state, [one.state for one in told]) == ("published", ["received", "vetting", "signing", "published"])


def test_a_submission_that_is_final_is_not_asked_about() -> None:
    with LoopbackServer() as server:
        client = RegistryClient(open_transport(server.url))
        for word in sorted(FINAL):
            assert wait(client, Submission(id="7", state=word), token=TOKEN, tell=lambda _: None).state == word
        assert server.asked == []


def test_waiting_ends() -> None:
    with LoopbackServer() as server:
        server.answer("/v1/submissions/7", state("vetting"))
        with pytest.raises(TransportError) as caught:
            wait(
                RegistryClient(open_transport(server.url)),
                Submission(id="7", state="received"),
                token=TOKEN,
                tell=lambda _: None,
                seconds=0.2,
            )
    assert caught.value.code == "PUB-PENDING"


@pytest.mark.parametrize("word", sorted(FINAL - {PUBLISHED}))
def test_a_bad_end_has_its_code(word: str) -> None:
    with pytest.raises(PolicyError) as caught:
        require_published(Submission(id="7", state=word))
    assert caught.value.code == f"PUB-{word.upper()}"


def test_a_state_nobody_knows_is_no_success() -> None:
    with pytest.raises(PolicyError) as caught:
        require_published(Submission(id="7", state="lost"))
    assert caught.value.code == "PUB-STATE"
    require_published(Submission(id="7", state="published"))


def test_a_refusal_names_the_serious_rules_or_what_stopped_it() -> None:
    serious = Submission(id="7", state="rejected", findings=(finding("critical"), finding("info")))
    with pytest.raises(PolicyError, match=r"is rejected for VET-SECRET$"):
        require_published(serious)
    with pytest.raises(PolicyError, match=r"is stuck: REG-X: words$"):
        require_published(Submission(id="7", state="stuck", error="REG-X: words", findings=(finding("info"),)))


def test_sending_again_carries_the_same_key() -> None:
    with LoopbackServer() as server:
        server.answer("/v1/packages", state("received"))
        client = RegistryClient(open_transport(server.url))
        for content in (b"one", b"one", b"two"):
            send(client, content, token=TOKEN)
    first, again, other = (asked.headers["Idempotency-Key"] for asked in server.asked)
    assert first == again != other


def test_only_a_package_has_a_statement() -> None:
    statement, ref = statement_of(unsigned())
    assert (str(ref), statement[:1]) == ("acme/tidy-csv@1.0.0", b"{")
    with pytest.raises(MalformedError) as caught:
        statement_of(b"words")
    assert caught.value.code == "PKG-GZIP"
