"""A transcript that its officers signed is still refused where what was made is not what the plan asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ceremony.folder import BUNDLE, load_folder
from ceremony.verify import verify_folder
from ceremony.words import sha256_hex, typed_words
from pki.errors import ToolkitError
from pki.keys import KeySpec, encode_public_key, generate_key
from pki.trust import parse_bundle
from tests.ceremony.forger import Forger
from tests.ceremony.house import House

Change = Callable[[Forger], object]


def refuse(house: House, name: str, change: Change, to: Path) -> ToolkitError:
    forger = Forger.of(house.folder / name)
    change(forger)
    path = forger.write(to, {name: house.officers[name] for name in ("ada", "bo")})
    bundle = parse_bundle((house.folder / "root" / BUNDLE).read_bytes())
    with pytest.raises(ToolkitError) as caught:
        verify_folder(load_folder(path), bundle=bundle)
    return caught.value


def replan(old: str, new: str) -> Change:
    """The officers sign a plan that differs from the one that was carried out."""

    def change(forger: Forger) -> None:
        plan = forger.files["plan.yaml"].decode("utf-8")
        assert old in plan
        data = plan.replace(old, new).encode("utf-8")
        forger.replace("plan.yaml", data)
        forger.step("begin")["plan_sha256"] = sha256_hex(data)
        forger.step("plan")["words"] = typed_words(sha256_hex(data))

    return change


def drop(step: str, number: int = 0) -> Change:
    def change(forger: Forger) -> None:
        found = [record for record in forger.records if record["step"] == step]
        forger.records.remove(found[number])

    return change


def put(step: str, field: str, value: object, number: int = 0) -> Change:
    return lambda forger: forger.step(step, number).__setitem__(field, value)


def attribute(name: str, value: object, step: str = "generate") -> Change:
    return lambda forger: forger.step(step)["attributes"].__setitem__(name, value)


def without_attribute(forger: Forger) -> None:
    del forger.step("generate")["attributes"]["LOCAL"]


def actor(forger: Forger) -> None:
    forger.records[4]["actor"] = "Eve"


def later(forger: Forger) -> None:
    """The whole ceremony is dated a day after what it made."""
    for record in forger.records:
        moment = datetime.fromisoformat(record["at"]) + timedelta(days=1)
        record["at"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def other_public_key(forger: Forger) -> None:
    forger.replace("public_keys/root-r1.pem", encode_public_key(generate_key(KeySpec.P384).public_key()))


def compare_late(forger: Forger) -> None:
    records: list[dict[str, Any]] = [record for record in forger.records if record["step"] == "inventory"]
    forger.records.remove(records[0])
    forger.records.insert(-1, {**records[0], "at": forger.records[-1]["at"]})


REFUSED: dict[str, tuple[str, Change]] = {
    "another witness": ("root", put("begin", "witness", "Wes")),
    "another custody": ("root", put("begin", "custody", "a drawer")),
    "another name": ("root", put("begin", "name", "root-r2")),
    "another person typed": ("root", actor),
    "plan was not confirmed": ("root", drop("plan")),
    "other words were typed": ("root", put("plan", "words", "lusab babad gutih tugad")),
    "clock was not confirmed": ("root", drop("clock")),
    "token was not looked at": ("root", drop("token")),
    "no comparison before": ("root", drop("inventory")),
    "no comparison after": ("root", drop("inventory", 1)),
    "comparison before only came after": ("root", compare_late),
    "token held another key": ("intermediate", put("inventory", "keys", ["root-r1", "spare"])),
    "token kept another key": ("intermediate", put("inventory", "keys", ["registry-1"], 4)),
    "token of another serial number": ("root", put("token", "serial", "00")),
    "token was not the pinned one": ("root", replan("holds: []", "holds: [], model: Luna 7")),
    "orphans that the transcript does not tell of": ("root", replan("holds: []", "holds: [], orphans: [old]")),
    "key on another token": ("root", put("generate", "token", "online")),
    "key of another label": ("root", put("generate", "label", "root-r2")),
    "key without a label": ("root", lambda forger: forger.step("generate").pop("label")),
    "key of another kind": ("root", put("generate", "algorithm", "P-256")),
    "key can leave": ("root", attribute("EXTRACTABLE", value=True)),
    "key could have left": ("root", attribute("NEVER_EXTRACTABLE", value=False)),
    "key was imported": ("root", attribute("LOCAL", value=False)),
    "key can decrypt": ("root", attribute("DECRYPT", value=True)),
    "token did not say": ("root", attribute("SENSITIVE", value=None)),
    "attribute was not read": ("root", without_attribute),
    "signing key can derive": ("crl", attribute("DERIVE", value=True, step="key")),
    "signing key was not compared": ("crl", drop("key")),
    "public key is not the certificate's": ("root", other_public_key),
    "certificate was not confirmed": ("root", drop("confirm")),
    "CRL was not confirmed": ("crl", drop("confirm", 1)),
    "other certificate was confirmed": ("intermediate", put("confirm", "name", "publisher")),
    "certificate has another serial number": ("root", put("certificate", "serial", "00" * 16)),
    "certificate has another fingerprint": ("root", put("certificate", "sha256", "00" * 32)),
    "certificate has another name": ("intermediate", put("certificate", "name", "publisher")),
    "certificate has another subject": ("root", replan("Example Root R1", "Example Root R2")),
    "TSA leaf lives longer": ("tsa", replan("days: 2000", "days: 1999")),
    "CRL lives longer": ("root", replan("crl_days: 180", "crl_days: 30")),
    "CRL has another number": ("root", put("crl", "number", 1)),
    "CRL is of another issuer": ("crl", put("crl", "issuer", "timestamp")),
    "all is from before": ("root", later),
}


@pytest.mark.parametrize("case", REFUSED)
def test_folder_that_is_not_what_its_plan_asked_for_is_refused(case: str, house: House, tmp_path: Path) -> None:
    name, change = REFUSED[case]
    assert refuse(house, name, change, tmp_path / "forged").code == "CER-CONFORMANCE"


def test_plan_that_wants_one_more_certificate_is_refused(house: House, tmp_path: Path) -> None:
    fewer = "  - role: publisher\n"
    plan = (house.folder / "intermediate" / "plan.yaml").read_text()
    start = plan.index(fewer)
    publisher = plan[start : plan.index("  - role: timestamp")]
    assert refuse(house, "intermediate", replan(publisher, ""), tmp_path / "forged").code == "CER-CONFORMANCE"


def test_officer_who_also_typed_is_refused(house: House, tmp_path: Path) -> None:
    def change(forger: Forger) -> None:
        replan("Ann Administrator", "ada  OFFICER")(forger)
        for record in forger.records:
            record["actor"] = "ada  OFFICER"

    assert refuse(house, "crl", change, tmp_path / "forged").code == "CER-ROLES"


def test_certificate_with_another_key_than_was_generated_is_refused(house: House, tmp_path: Path) -> None:
    """Not by profile or signature - they are in order - but by the public key that the token gave."""

    def change(forger: Forger) -> None:
        registry = x509.load_pem_x509_certificate(forger.files["certificates/registry.pem"])
        assert registry.public_bytes(Encoding.PEM) == forger.files["certificates/registry.pem"]
        forger.replace("public_keys/registry-1.pem", forger.files["public_keys/publisher-1.pem"])

    assert refuse(house, "intermediate", change, tmp_path / "forged").code == "CER-CONFORMANCE"
