"""Reading a plan: a strict YAML file, of which every field is in the table of README.md.

Rules:
    * Unknown, missing and duplicate fields are refused, with their path.
    * All of it is checked here, before anybody opens a token: labels that collide, tokens that nobody uses, keys that a
      token should hold and is not said to.

Left to others: whether it agrees with earlier ceremonies, and who may be who (:mod:`ceremony.continuity`).

Example::

    plan = parse_plan(Path("root.yaml").read_bytes())
    plan.kind, plan.sha256
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ceremony.fields import Fields, refuse
from ceremony.plan import (
    ROOT_ISSUER,
    CertificatePlan,
    CrlPlan,
    KeyPlan,
    Kind,
    Leaf,
    Plan,
    RevocationPlan,
    RootPlan,
    Task,
    TokenPlan,
)
from ceremony.strictyaml import parse_strict_yaml
from ceremony.transcript import TIME
from pki.addresses import DEFAULT_SHARDS, MAX_SHARDS, IssuerUrls
from pki.crl import OFFLINE_LIFETIME, Reason
from pki.crl_entries import ISSUABLE_REASONS
from pki.keys import KeySpec, encode_public_key, load_public_key
from pki.names import IntermediateRole, TrustDomain
from pki.profiles import TSA_LEAF
from pki.subjects import Subject
from pki.trust import MAX_OFFICERS, Officer

SCHEMA = 1
"""Of the plan's form."""

NAME = r"[a-z0-9][a-z0-9-]{0,38}"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9._ -]{0,61}[A-Za-z0-9])?"
_HEX64 = r"[0-9a-f]{64}"
_OID = r"[0-2](\.(0|[1-9][0-9]{0,9})){2,12}"
_MULTILINE = r".+"
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


def parse_plan(data: bytes) -> Plan:
    """Return a plan.

    Args:
        data: The YAML file.

    Raises:
        MalformedError: it is not of this form (CER-YAML, CER-PLAN).
    """
    fields = Fields(parse_strict_yaml(data), "")
    fields.number("schema", low=SCHEMA, high=SCHEMA)
    kind = fields.made("kind", Kind)
    tokens = {name: _token(item) for name, item in fields.mapping("tokens", NAME).items()}
    task = _TASKS[kind](fields)
    roles = fields.fields("roles")
    plan = Plan(
        source=data,
        kind=kind,
        name=fields.text("name", NAME),
        clause=fields.text("clause"),
        administrator=roles.text("administrator"),
        witness=roles.text("witness"),
        custody=fields.text("custody"),
        tokens=tokens,
        task=task,
    )
    roles.finish()
    fields.finish()
    _check(plan)
    return plan


def _root(fields: Fields) -> Task:
    key = _key(fields.fields("key"), generate=(KeySpec.P384,))
    officers = fields.fields("officers")
    members = tuple(_officer(item) for item in officers.items("members"))
    root = RootPlan(
        trust_domain=fields.made("trust_domain", TrustDomain.parse),
        urls=fields.made("base_url", lambda text: IssuerUrls(base=text)),
        tsa_policy=fields.text("tsa_policy", _OID),
        quorum=officers.number("quorum", low=1, high=min(len(members), MAX_OFFICERS)),
        officers=members,
    )
    officers.finish()
    certificate = CertificatePlan(name=ROOT_ISSUER, subject=_subject(fields.fields("subject")), key=key)
    crl = CrlPlan(issuer=ROOT_ISSUER, key=key, days=_crl_days(fields))
    return Task(issuer=ROOT_ISSUER, issuer_key=key, certificates=(certificate,), crls=(crl,), root=root)


def _intermediate(fields: Fields) -> Task:
    issuer = fields.fields("issuer")
    key = _key(issuer)
    certificates = tuple(
        _certificate(item, name=item.made("role", IntermediateRole).value, specs=(KeySpec.P384,))
        for item in fields.items("intermediates")
    )
    crl = CrlPlan(issuer=ROOT_ISSUER, key=key, days=_crl_days(fields))
    return Task(issuer=ROOT_ISSUER, issuer_key=key, certificates=certificates, crls=(crl,), previous=_previous(fields))


def _leaf(fields: Fields) -> Task:
    issuer = fields.fields("issuer")
    role = issuer.made("role", IntermediateRole)
    key = _key(issuer)
    wanted = Leaf.TSA if role is IntermediateRole.TIMESTAMP else Leaf.LISTING
    if role is IntermediateRole.PUBLISHER:
        raise refuse("issuer.role", "registry or timestamp", role)
    certificates = tuple(
        _certificate(item, name=item.text("profile", wanted), specs=(KeySpec.P256,)) for item in fields.items("leaves")
    )
    timestamp = role is IntermediateRole.TIMESTAMP
    return Task(
        issuer=role.value,
        issuer_key=key,
        certificates=certificates,
        crls=(CrlPlan(issuer=role.value, key=key, days=_crl_days(fields)),) if timestamp else (),
        previous=_previous(fields),
        shards=1 if timestamp else fields.number("shards", low=1, high=MAX_SHARDS, default=DEFAULT_SHARDS),
    )


def _crl(fields: Fields) -> Task:
    crls = []
    for item in fields.items("crls"):
        issuer = item.text("issuer", "root|timestamp")
        days = _crl_days(item)
        crls.append(CrlPlan(issuer=issuer, key=_key(item.fields("key")), days=days))
        item.finish()
    if len({crl.issuer for crl in crls}) != len(crls):
        raise refuse("crls", "each issuer once", "one twice")
    first = crls[0]
    return Task(issuer=first.issuer, issuer_key=first.key, crls=tuple(crls), previous=_previous(fields))


def _revoke(fields: Fields) -> Task:
    key = _key(fields.fields("issuer"))
    revoked = tuple(map(_revocation, fields.items("revoked")))
    if len({item.name for item in revoked}) != len(revoked):
        raise refuse("revoked", "each role once", "one twice")
    crl = CrlPlan(issuer=ROOT_ISSUER, key=key, days=_crl_days(fields), revoked=revoked)
    return Task(issuer=ROOT_ISSUER, issuer_key=key, crls=(crl,), previous=_previous(fields))


_TASKS = {
    Kind.ROOT: _root,
    Kind.INTERMEDIATE: _intermediate,
    Kind.LEAF: _leaf,
    Kind.CRL: _crl,
    Kind.REVOKE_INTERMEDIATE: _revoke,
}


def _token(fields: Fields) -> TokenPlan:
    token = TokenPlan(
        module=Path(fields.text("module", r"/[^\n]+")),
        serial=fields.text("serial"),
        holds=fields.texts("holds", _LABEL),
        orphans=fields.texts("orphans", _LABEL),
        pinned={
            name: fields.text(name, _HEX64 if name == "module_sha256" else r"[^\n]+")
            for name in ("label", "manufacturer", "model", "firmware", "module_sha256")
            if fields.has(name)
        },
    )
    fields.finish()
    return token


def _key(fields: Fields, generate: tuple[KeySpec, ...] = ()) -> KeyPlan:
    spec = fields.made("algorithm", KeySpec) if generate else None
    if spec is not None and spec not in generate:
        raise refuse(fields.path("algorithm"), ", ".join(generate), spec)
    key = KeyPlan(token=fields.text("token", NAME), label=fields.text("label", _LABEL), spec=spec)
    fields.finish()
    return key


def _certificate(fields: Fields, *, name: str, specs: tuple[KeySpec, ...]) -> CertificatePlan:
    if fields.has("key") == fields.has("request"):
        raise refuse(fields.path("key"), "either key or request", "both or none")
    certificate = CertificatePlan(
        name=name,
        subject=_subject(fields.fields("subject")),
        key=_key(fields.fields("key"), generate=specs) if fields.has("key") else None,
        request=Path(fields.text("request")) if fields.has("request") else None,
        days=fields.number("days", low=1, high=TSA_LEAF.lifetime.days) if name == Leaf.TSA else 0,
    )
    fields.finish()
    return certificate


def _subject(fields: Fields) -> Subject:
    common_name = fields.text("common_name")
    organization, country = fields.text("organization"), fields.text("country", "[A-Z]{2}")
    subject = fields.made(
        "common_name", lambda _: Subject(common_name=common_name, organization=organization, country=country)
    )
    fields.finish()
    return subject


def _officer(fields: Fields) -> Officer:
    identifier, name = fields.text("id", NAME), fields.text("name")
    officer = fields.made(
        "public_key",
        lambda pem: Officer(id=identifier, name=name, public_key=load_public_key(pem.encode("utf-8"))),
        _MULTILINE,
    )
    fields.finish()
    return officer


def _revocation(fields: Fields) -> RevocationPlan:
    revocation = RevocationPlan(
        name=fields.made("role", IntermediateRole).value,
        reason=Reason(fields.text("reason", "|".join(sorted(ISSUABLE_REASONS)))),
        since=fields.made("since", lambda text: datetime.strptime(text, TIME).replace(tzinfo=UTC), _MOMENT),
    )
    fields.finish()
    return revocation


def _crl_days(fields: Fields) -> int:
    return fields.number("crl_days", low=1, high=OFFLINE_LIFETIME.days)


def _previous(fields: Fields) -> tuple[Path, ...]:
    folders = fields.texts("previous", r"[^\n]+")
    if not folders:
        raise refuse("previous", "folders of earlier ceremonies, the root's first", "none")
    return tuple(map(Path, folders))


def _check(plan: Plan) -> None:
    """What no single field can say."""
    task = plan.task
    names = [item.name for item in task.certificates]
    if len(set(names)) != len(names):
        raise refuse("certificates", "each name once", "one twice")
    _check_keys(plan)
    officers = task.root.officers if task.root is not None else ()
    keys = {encode_public_key(officer.public_key) for officer in officers}
    if len({officer.id for officer in officers}) != len(officers) or len(keys) != len(officers):
        raise refuse("officers.members", "each id and key once", "one twice")


def _check_keys(plan: Plan) -> None:
    used = [*plan.task.signing(), *plan.task.generated()]
    for key in used:
        if key.token not in plan.tokens:
            raise refuse("token", f"one of {', '.join(plan.tokens)}", key.token)
        if key.spec is None and key.label not in plan.tokens[key.token].holds:
            raise refuse(f"tokens.{key.token}.holds", f"the key {key.label!r} that signs", "a list without it")
    fresh = [(key.token, key.label) for key in plan.task.generated()]
    held = [(name, label) for name, token in plan.tokens.items() for label in token.expected]
    if len(set(fresh + held)) != len(fresh + held):
        raise refuse("key.label", "labels that are not on the token yet, each once", "one that is")
    # Each gives its file public_keys/LABEL.pem its name, on media that may not tell capitals.
    if len({label.casefold() for _, label in fresh}) != len(fresh):
        raise refuse("key.label", "a label of its own for each new key", "one twice")
    if unused := set(plan.tokens) - {key.token for key in used}:
        raise refuse("tokens", "tokens that are used", ", ".join(sorted(unused)))
    if len({token.serial for token in plan.tokens.values()}) != len(plan.tokens):
        raise refuse("tokens", "each serial number once", "one twice")
