"""Ceremonies that revoke an intermediate: the entry is the plan's and stays, and nothing is issued by it any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from ceremony.folder import BUNDLE, load_folder
from ceremony.hierarchy import planned_entries
from ceremony.inputs import load_inputs
from ceremony.plan_file import parse_plan
from ceremony.previous import load_previous
from ceremony.script import script_after
from ceremony.verify import verify_folder
from ceremony.words import sha256_hex, typed_words
from pki.crl import Reason, RevokedEntry, read_entry, revoked_since
from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.trust import parse_bundle
from tests.ceremony.conftest import hold
from tests.ceremony.forger import Forger
from tests.ceremony.house import SINCE, House
from tests.ceremony.program import program
from tests.servers.softhsm import SoftHsm

FROM = datetime(2026, 1, 5, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def revoked(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A house in which the Publisher Intermediate was revoked, and then the root's CRL issued anew."""
    house = House(softhsm, tmp_path_factory.mktemp("revoked"), "revoked")
    hold(house, "root", house.root())
    hold(house, "intermediate", house.intermediates())
    hold(house, "tsa", house.tsa_leaf())
    hold(house, "revoke", house.revocation())
    hold(house, "crl", house.crl(previous="root, intermediate, tsa, revoke"))
    return house


def entries(house: House, name: str) -> list[RevokedEntry]:
    """The entries of the root's CRL that a ceremony made."""
    der = (house.folder / name / "crls" / "root.crl").read_bytes()
    return [read_entry(entry) for entry in x509.load_der_x509_crl(der)]


def publisher(house: House) -> x509.Certificate:
    pem = (house.folder / "intermediate" / "certificates" / "publisher.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem)


def test_crl_revokes_what_the_plan_says_and_keeps_it(revoked: House) -> None:
    wanted = revoked_since(publisher(revoked).serial_number, Reason.KEY_COMPROMISE, FROM)
    assert entries(revoked, "intermediate") == []
    assert entries(revoked, "revoke") == [wanted]
    assert entries(revoked, "crl") == [wanted]


def test_folder_names_what_it_revokes(revoked: House) -> None:
    evidence = verify_folder(load_folder(revoked.folder / "revoke"))
    assert evidence.hierarchy.certificates["publisher"] == publisher(revoked)
    (crl,) = evidence.plan.task.crls
    assert planned_entries(crl, evidence.hierarchy) == tuple(entries(revoked, "revoke"))
    (step,) = [step.title for step in script_after(evidence).steps if step.title.startswith("sign the CRL")]
    assert step.endswith("; it revokes publisher (keyCompromise, since 2026-01-05 06:00:00 UTC)")


def test_later_ceremonies_build_on_it(revoked: House) -> None:
    folders = [revoked.folder / name for name in ("root", "intermediate", "tsa", "revoke", "crl")]
    assert len(load_previous(folders).heads) == 5


def test_confirmation_shows_the_entry(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    hold(new_house, "intermediate", new_house.intermediates())
    new_house.write("revoke", new_house.revocation())
    outcome = program(new_house, "plan", "revoke.yaml")
    assert outcome.status == 0
    assert f"{publisher(new_house).serial_number:032x} since 2026-01-05 06:00:00 UTC" in " ".join(
        outcome.stdout.split()
    )
    said = program(new_house, "rehearse", "revoke.yaml", "--json")
    assert said.status == 0
    assert said.json()["kind"] == "revoke-intermediate"


def test_revoked_intermediate_issues_nothing(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    hold(new_house, "intermediate", new_house.intermediates())
    hold(new_house, "revoke", new_house.revocation(role="registry"))
    path = new_house.write("listing", new_house.listing_leaf(previous="root, intermediate, revoke"))
    with pytest.raises(PolicyError) as caught:
        load_inputs(path, at=datetime.now(UTC))
    assert caught.value.code == "CER-REVOKED"


def test_intermediate_that_nobody_made_is_refused(new_house: House) -> None:
    hold(new_house, "root", new_house.root())
    with pytest.raises(PolicyError) as caught:
        hold(new_house, "revoke", new_house.revocation(previous="root"))
    assert caught.value.code == "CER-PREVIOUS"


def test_revocation_in_the_future_is_refused_before_a_token_is_opened(revoked: House) -> None:
    later = revoked.revocation(previous="root, intermediate, tsa, revoke, crl").replace(SINCE, "2099-01-01T00:00:00Z")
    revoked.write("later", later)
    outcome = program(revoked, "plan", "later.yaml", "--json")
    assert (outcome.status, outcome.code) == (1, "CRL-ENTRY")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("keyCompromise", "certificateHold"),
        ("keyCompromise", "unspecified"),
        ("role: publisher", "role: root"),
        ("role: publisher", "role: listing"),
        (SINCE, "2026-01-05"),
        (SINCE, "2026-13-05T06:00:00Z"),
        (SINCE, "2026-01-05T06:00:00+01:00"),
        ("role: publisher", "role: publisher, serial: 1"),
        (
            "\n  - {role: publisher",
            "\n  - {role: publisher, reason: superseded, since: '2026-01-01T00:00:00Z'}\n  - {role: publisher",
        ),
    ],
)
def test_plan_that_is_not_of_its_form_is_refused(old: str, new: str, revoked: House) -> None:
    text = revoked.revocation()
    assert old in text
    with pytest.raises(MalformedError) as caught:
        parse_plan(text.replace(old, new).encode())
    assert caught.value.code == "CER-PLAN"


def replan(old: str, new: str) -> Callable[[Forger], None]:
    """The officers sign a plan that differs from the one that was carried out."""

    def change(forger: Forger) -> None:
        plan = forger.files["plan.yaml"].decode("utf-8")
        assert old in plan
        data = plan.replace(old, new).encode("utf-8")
        forger.replace("plan.yaml", data)
        forger.step("begin")["plan_sha256"] = sha256_hex(data)
        forger.step("plan")["words"] = typed_words(sha256_hex(data))

    return change


def forged(house: House, change: Callable[[Forger], None], to: Path) -> Path:
    forger = Forger.of(house.folder / "revoke")
    change(forger)
    return forger.write(to, {name: house.officers[name] for name in ("ada", "bo")})


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("keyCompromise", "superseded", "CER-CONFORMANCE"),
        (SINCE, "2026-01-06T06:00:00Z", "CER-CONFORMANCE"),
        ("role: publisher", "role: registry", "CER-PREVIOUS"),
    ],
)
def test_crl_that_revokes_otherwise_than_the_plan_is_refused(
    old: str, new: str, code: str, revoked: House, tmp_path: Path
) -> None:
    path = forged(revoked, replan(old, new), tmp_path / "forged")
    bundle = parse_bundle((revoked.folder / "root" / BUNDLE).read_bytes())
    with pytest.raises(ToolkitError) as caught:
        verify_folder(load_folder(path), bundle=bundle)
    assert caught.value.code == code


def test_crl_that_revokes_more_than_its_plan_is_no_predecessor(revoked: House, tmp_path: Path) -> None:
    """The plan asks for CRLs anew and says nothing of a revocation."""

    def change(forger: Forger) -> None:
        replan("kind: revoke-intermediate", "kind: crl")(forger)
        forger.step("begin")["kind"] = "crl"
        plan = forger.files["plan.yaml"].decode("utf-8")
        head, _, _ = plan.partition("issuer:")
        text = f"{head}crls:\n  - {{issuer: root, key: {{token: root, label: root-r1}}, crl_days: 180}}\n"
        replan(plan, text)(forger)
        forger.files.pop("issuers/publisher.pem")
        forger.step("begin")["files"].pop("issuers/publisher.pem")

    path = forged(revoked, change, tmp_path / "forged")
    verify_folder(load_folder(path))
    folders = [revoked.folder / name for name in ("root", "intermediate", "tsa")]
    with pytest.raises(TrustError) as caught:
        load_previous([*folders, path])
    assert caught.value.code == "CER-PREVIOUS"


def test_revoking_is_done_with_the_roots_key_alone(revoked: House) -> None:
    plan = parse_plan(revoked.revocation().encode())
    assert list(plan.tokens) == ["root"]
    assert plan.task.certificates == ()
