"""A plan is refused for each thing that is wrong with it, with the field's path, before anybody opens a token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from ceremony.plan import Kind
from ceremony.plan_file import parse_plan
from ceremony.words import sha256_hex
from pki.errors import MalformedError
from pki.keys import KeySpec, encode_public_key, generate_key
from pki.names import IntermediateRole
from tests.ceremony.test_readme import EXAMPLES

Change = Callable[[dict[str, Any]], object]
PEM = encode_public_key(generate_key(KeySpec.P256).public_key()).decode("ascii")


def encode(document: dict[str, Any]) -> bytes:
    # No aliases and no type but text: what the strict reader reads.
    return yaml.safe_dump(document, sort_keys=False).encode("utf-8")


def changed(title: str, change: Change) -> bytes:
    document = yaml.safe_load(EXAMPLES[title])
    change(document)
    return encode(document)


def put(path: str, value: object) -> Change:
    def change(document: dict[str, Any]) -> None:
        *steps, last = path.split("/")
        place: Any = document
        for step in steps:
            place = place[int(step)] if step.isdigit() else place[step]
        place[int(last) if last.isdigit() else last] = value

    return change


def drop(path: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        *steps, last = path.split("/")
        place: Any = document
        for step in steps:
            place = place[int(step)] if step.isdigit() else place[step]
        del place[last]

    return change


def both(one: Change, other: Change) -> Change:
    return lambda document: (one(document), other(document))


def again(path: str) -> Change:
    def change(document: dict[str, Any]) -> None:
        document[path].append(yaml.safe_load(yaml.safe_dump(document[path][0])))

    return change


ROOT, INTERMEDIATE, LISTING, TSA, CRL, _ = EXAMPLES

REFUSED: dict[str, tuple[str, Change, str]] = {
    # name: which plan, what is changed, where the message says it is
    "no schema": (ROOT, drop("schema"), "schema"),
    "schema of the future": (ROOT, put("schema", 2), "schema"),
    "no kind": (ROOT, drop("kind"), "kind"),
    "unknown kind": (ROOT, put("kind", "party"), "kind"),
    "unknown field": (ROOT, put("force", "true"), "force"),
    "unknown field within": (ROOT, put("key/exportable", "true"), "key.exportable"),
    "unknown field in a list": (INTERMEDIATE, put("intermediates/1/days", 3), "intermediates[1].days"),
    "unknown role": (ROOT, put("roles/notary", "Nell"), "roles.notary"),
    "PIN in the plan": (ROOT, put("tokens/root/pin", "1234"), "tokens.root.pin"),
    "no name": (ROOT, drop("name"), "name"),
    "name with capitals": (ROOT, put("name", "Root"), "name"),
    "name with a slash": (ROOT, put("name", "../root"), "name"),
    "no clause": (ROOT, drop("clause"), "clause"),
    "no custody": (ROOT, drop("custody"), "custody"),
    "custody of two lines": (ROOT, put("custody", "a\nb"), "custody"),
    "no roles": (ROOT, drop("roles"), "roles"),
    "no witness": (ROOT, drop("roles/witness"), "roles.witness"),
    "empty administrator": (ROOT, put("roles/administrator", ""), "roles.administrator"),
    "no tokens": (ROOT, put("tokens", {}), "tokens"),
    "tokens as a list": (ROOT, put("tokens", ["root"]), "tokens"),
    "token of an odd name": (ROOT, put("tokens/Root HSM", {"module": "/m", "serial": "2"}), "tokens"),
    "token without a module": (ROOT, drop("tokens/root/module"), "tokens.root.module"),
    "module by a relative path": (ROOT, put("tokens/root/module", "softhsm.so"), "tokens.root.module"),
    "token without a serial number": (ROOT, drop("tokens/root/serial"), "tokens.root.serial"),
    "token that nobody uses": (ROOT, put("tokens/spare", {"module": "/m", "serial": "2"}), "tokens"),
    "two tokens with one serial number": (
        INTERMEDIATE,
        put("tokens/time/serial", "1122334455667788"),
        "tokens",
    ),
    "module's digest in capitals": (ROOT, put("tokens/root/module_sha256", "AB" * 32), "tokens.root.module_sha256"),
    "label twice under holds": (CRL, put("tokens/root/holds", ["root-r1", "root-r1"]), "tokens.root.holds"),
    "holds as a text": (CRL, put("tokens/root/holds", "root-r1"), "tokens.root.holds"),
    "key that signs is not held": (CRL, put("tokens/root/holds", []), "tokens.root.holds"),
    "key on a token that is not named": (ROOT, put("key/token", "other"), "token"),
    "label that is on the token": (ROOT, put("tokens/root/holds", ["root-r1"]), "key.label"),
    "label of an orphan": (ROOT, put("tokens/root/orphans", ["root-r1"]), "key.label"),
    "orphan that signs": (
        CRL,
        both(put("tokens/root/orphans", ["root-r1"]), put("tokens/root/holds", [])),
        "tokens.root.holds",
    ),
    "key held and orphaned": (CRL, put("tokens/root/orphans", ["root-r1"]), "key.label"),
    "label that is a path": (ROOT, put("key/label", "../root"), "key.label"),
    "label that ends in a blank": (ROOT, put("key/label", "root "), "key.label"),
    "label that differs by capitals": (
        INTERMEDIATE,
        put("intermediates/2/key/label", "REGISTRY-1"),
        "key.label",
    ),
    "root on P-256": (ROOT, put("key/algorithm", "P-256"), "key.algorithm"),
    "root with RSA": (ROOT, put("key/algorithm", "RSA-4096"), "key.algorithm"),
    "unknown algorithm": (ROOT, put("key/algorithm", "Ed25519"), "key.algorithm"),
    "leaf on P-384": (LISTING, put("leaves/0/key/algorithm", "P-384"), "leaves[0].key.algorithm"),
    "no subject": (ROOT, drop("subject"), "subject"),
    "country in small letters": (ROOT, put("subject/country", "se"), "subject.country"),
    "common name too long": (ROOT, put("subject/common_name", "x" * 65), "subject.common_name"),
    "invisible character in a name": (ROOT, put("subject/common_name", "Root\u202e"), "subject.common_name"),
    "trust domain with capitals": (ROOT, put("trust_domain", "Skills.example"), "trust_domain"),
    "base URL over https": (ROOT, put("base_url", "https://registry.example"), "base_url"),
    "base URL with a final slash": (ROOT, put("base_url", "http://registry.example/"), "base_url"),
    "policy that is no OID": (ROOT, put("tsa_policy", "1.3.06"), "tsa_policy"),
    "CRL valid for no day": (ROOT, put("crl_days", 0), "crl_days"),
    "CRL valid for too long": (ROOT, put("crl_days", 185), "crl_days"),
    "days with a plus": (ROOT, put("crl_days", "+18"), "crl_days"),
    "days in hexadecimal": (ROOT, put("crl_days", "0x10"), "crl_days"),
    "no officers": (ROOT, put("officers/members", []), "officers.members"),
    "quorum of none": (ROOT, put("officers/quorum", 0), "officers.quorum"),
    "quorum above the members": (ROOT, put("officers/quorum", 3), "officers.quorum"),
    "officer's id twice": (ROOT, put("officers/members/1/id", "ada"), "officers.members"),
    "officer's key twice": (
        ROOT,
        both(put("officers/members/0/public_key", PEM), put("officers/members/1/public_key", PEM)),
        "officers.members",
    ),
    "officer's key that is none": (
        ROOT,
        put("officers/members/0/public_key", "ssh-ed25519 AAAA"),
        "officers.members[0].public_key",
    ),
    "officers in a later plan": (INTERMEDIATE, put("officers", {"quorum": 1}), "officers"),
    "no previous": (INTERMEDIATE, drop("previous"), "previous"),
    "previous empty": (INTERMEDIATE, put("previous", []), "previous"),
    "previous twice": (INTERMEDIATE, put("previous", ["root", "root"]), "previous"),
    "no intermediates": (INTERMEDIATE, put("intermediates", []), "intermediates"),
    "role twice": (INTERMEDIATE, put("intermediates/1/role", "registry"), "certificates"),
    "role that there is not": (INTERMEDIATE, put("intermediates/1/role", "notary"), "intermediates[1].role"),
    "key and request": (INTERMEDIATE, put("intermediates/0/request", "a.csr"), "intermediates[0].key"),
    "neither key nor request": (INTERMEDIATE, drop("intermediates/1/request"), "intermediates[1].key"),
    "algorithm of a key that is there": (INTERMEDIATE, put("issuer/algorithm", "P-384"), "issuer.algorithm"),
    "leaves by the publisher": (LISTING, put("issuer/role", "publisher"), "issuer.role"),
    "listing leaf by timestamp": (TSA, put("leaves/0/profile", "listing"), "leaves[0].profile"),
    "TSA leaf by registry": (LISTING, put("leaves/0/profile", "tsa"), "leaves[0].profile"),
    "leaf twice": (LISTING, both(again("leaves"), put("leaves/1/key/label", "other")), "certificates"),
    "days of a listing leaf": (LISTING, put("leaves/0/days", 10), "leaves[0].days"),
    "no days of a TSA leaf": (TSA, drop("leaves/0/days"), "leaves[0].days"),
    "days beyond the profile": (TSA, put("leaves/0/days", 2192), "leaves[0].days"),
    "CRL of the registry": (LISTING, put("crl_days", 180), "crl_days"),
    "no CRL of timestamp": (TSA, drop("crl_days"), "crl_days"),
    "shards of timestamp": (TSA, put("shards", 16), "shards"),
    "too many shards": (LISTING, put("shards", 4097), "shards"),
    "CRL of an online issuer": (CRL, put("crls/0/issuer", "publisher"), "crls[0].issuer"),
    "CRL of one issuer twice": (CRL, put("crls/1/issuer", "root"), "crls"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_plan_is_refused_with_the_path_of_the_field(name: str) -> None:
    title, change, where = REFUSED[name]
    with pytest.raises(MalformedError) as caught:
        parse_plan(changed(title, change))
    assert caught.value.code == "CER-PLAN"
    assert caught.value.message.startswith(f"plan, {where} - ")


@pytest.mark.parametrize("title", EXAMPLES)
def test_plan_that_is_no_yaml_of_the_strict_kind_is_refused(title: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_plan(EXAMPLES[title].encode() + b"schema: 1\n")
    assert caught.value.code == "CER-YAML"


def test_root_plan_says_what_is_made() -> None:
    plan = parse_plan(EXAMPLES[ROOT].encode())
    assert (plan.kind, plan.name, plan.administrator) == (Kind.ROOT, "root-r1", "Ann Administrator")
    assert plan.sha256 == sha256_hex(EXAMPLES[ROOT].encode())
    (key,) = plan.task.generated()
    assert (key.token, key.label, key.spec) == ("root", "root-r1", KeySpec.P384)
    assert plan.task.root is not None
    assert [officer.id for officer in plan.task.root.officers] == ["ada", "bo"]
    assert plan.tokens["root"].pinned["firmware"] == "2.6"


def test_intermediate_plan_keeps_its_order_and_its_requests() -> None:
    task = parse_plan(EXAMPLES[INTERMEDIATE].encode()).task
    assert [item.name for item in task.certificates] == list(IntermediateRole)
    assert [str(item.request) for item in task.certificates] == ["None", "publisher.csr", "None"]
    assert [crl.issuer for crl in task.crls] == ["root"]


def test_only_the_timestamp_intermediate_makes_a_crl_with_its_leaf() -> None:
    assert parse_plan(EXAMPLES[LISTING].encode()).task.crls == ()
    assert [crl.issuer for crl in parse_plan(EXAMPLES[TSA].encode()).task.crls] == ["timestamp"]


def test_shards_left_out_are_the_usual_number() -> None:
    assert parse_plan(changed(LISTING, drop("shards"))).task.shards == 16
