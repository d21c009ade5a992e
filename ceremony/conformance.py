"""What was made is what the plan asked for: every claim of a transcript derived again from the files.

    1. Who: administrator and witness are the plan's; nobody has two roles.
    2. In order: plan and clock were confirmed and the tokens compared before the first use of a key, and compared again
       after the last.
    3. Tokens are the plan's, hold what it says before, and that plus the new keys after.
    4. Keys are the plan's; the attributes that were read back are those of a key that can only sign.
    5. Certificates are the plan's: subject, key, serial number, fingerprint, lifetime, and none from before.
    6. CRLs are the plan's: number, lifetime, what they revoke, and none from before.

Left to others: chain, signatures, digests, profiles (:mod:`ceremony.verify`).

Example::

    check_conformance(plan, records, folder, made=certificates, hierarchy=hierarchy, officers=bundle.officers)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby

from cryptography import x509

from ceremony.folder import Folder
from ceremony.hierarchy import Hierarchy, planned_entries
from ceremony.plan import CertificatePlan, CrlPlan, KeyPlan, Plan
from ceremony.quorum import require_separate_roles
from ceremony.sittings import adopted, interrupted_key, sittings
from ceremony.transcript import Record
from ceremony.words import typed_words
from pki.crl import RevokedEntry, read_entry
from pki.csr import parse_csr
from pki.display import fingerprint_hex
from pki.errors import ToolkitError, TrustError
from pki.hsm.attributes import REQUIRED
from pki.keys import PublicKey, key_spec, load_public_key, require_public_key, same_key
from pki.trust import Officer

USES = frozenset({"generate", "certificate", "crl"})
"""Steps that use a key."""


def check_conformance(
    plan: Plan,
    records: Sequence[Record],
    folder: Folder,
    *,
    made: Mapping[str, x509.Certificate],
    hierarchy: Hierarchy,
    officers: tuple[Officer, ...],
) -> None:
    """Check a ceremony against its plan.

    Args:
        plan: The plan.
        records: The transcript, whose chain is whole.
        folder: The files, which are those that it names.
        made: Certificates made, by name.
        hierarchy: With the issuers' certificates, and the CRLs made.
        officers: The trust bundle's.

    Raises:
        PolicyError: somebody has two roles (CER-ROLES).
        TrustError: something is not as the plan says, or was never recorded (CER-CONFORMANCE).
    """
    require_separate_roles(plan.administrator, plan.witness, officers)
    rehearsal = records[0].data.get("rehearsal") is not False
    _check_people(plan, records)
    _check_order(plan, records)
    _check_tokens(plan, records, rehearsal=rehearsal)
    _check_keys(plan, records)
    crls = hierarchy.crls
    _check_names(plan, records, made, crls)
    for item in plan.task.certificates:
        _check_certificate(item, made[item.name], _one(records, "certificate", item.name, "name"), folder)
        _check_moment(item.name, made[item.name].not_valid_before_utc.timestamp(), records)
    for crl in plan.task.crls:
        _check_crl(crl, crls[crl.issuer], records, planned_entries(crl, hierarchy))


def _check_people(plan: Plan, records: Sequence[Record]) -> None:
    begin = records[0]
    for name, expected in (("witness", plan.witness), ("custody", plan.custody), ("name", plan.name)):
        _require(begin.data.get(name) == expected, begin, f"{name} {expected!r}")
    for record in records:
        _require(record.actor == plan.administrator, record, f"the administrator {plan.administrator!r}")


def _check_order(plan: Plan, records: Sequence[Record]) -> None:
    needed = {"plan", "clock", "token", "inventory"}
    last = max((record.seq for record in records if record.step in USES), default=0)
    for sitting in sittings(records):
        seen: set[str] = set()
        for record in sitting:
            if record.step in USES:
                _require(needed <= seen, record, f"{', '.join(sorted(needed))} before it")
            if record.step == "plan":
                _require(record.data.get("words") == typed_words(plan.sha256), record, "the plan's words")
            if record.step == "inventory":
                after = record.data.get("after") is True
                _require(record.seq > last if after else not USES & seen, record, "one comparison before, one after")
            seen.add(record.step)


def _check_tokens(plan: Plan, records: Sequence[Record], *, rehearsal: bool) -> None:
    parts = sittings(records)
    for name in plan.tokens:
        for number, part in enumerate(parts):
            earlier = [record for sitting in parts[:number] for record in sitting]
            _check_token(plan, name, part, earlier, rehearsal=rehearsal, last=number == len(parts) - 1)


def _check_token(
    plan: Plan, name: str, records: Sequence[Record], earlier: Sequence[Record], *, rehearsal: bool, last: bool
) -> None:
    """A token in one sitting; all but the last broke off somewhere, and the last went to the end."""
    token = plan.tokens[name]
    own = [record for record in records if record.data.get("token") == name]
    said = [record for record in own if record.step == "token"]
    if len(said) > 1 or (last and not said):
        raise _departs("transcript", f"one record token of {name}")
    # A rehearsal's tokens are not the plan's.
    for record in said if not rehearsal else ():
        for field, expected in {"serial": token.serial, **token.pinned}.items():
            _require(record.data.get(field) == expected, record, f"token {name} with {field} {expected}")
    noted = [record.data["orphans"] for record in own if record.step == "deviation" and "orphans" in record.data]
    wanted = [list(token.orphans)] if token.orphans else []
    if noted != wanted and (said or noted):
        raise _departs("transcript", "a deviation for its orphans")
    taken = [label for place, label in adopted(records) if place == name]
    key = interrupted_key(plan, earlier) if taken else None
    if taken and taken != [key.label if key is not None and key.token == name else None]:
        raise _departs("transcript", "no key adopted but one whose generation was interrupted")
    made = [
        str(r.data.get("label")) for r in (*earlier, *records) if r.step == "generate" and r.data.get("token") == name
    ]
    fresh = {str(r.data.get("label")) for r in records if r.step == "generate" and r.data.get("token") == name}
    before = sorted({*token.expected, *taken, *(label for label in made if label not in fresh)})
    after = sorted({*token.expected, *made})
    found = [record for record in own if record.step == "inventory"]
    keys = [record.data.get("keys") for record in found]
    if keys != [before, after][: len(keys)] or (last and len(keys) != 2):  # noqa: PLR2004 - before and after
        raise _departs("transcript", f"token {name} with {before} before and {after} after")


def _check_keys(plan: Plan, records: Sequence[Record]) -> None:
    planned = [(key.token, key.label, key.spec) for key in plan.task.generated()]
    done = [
        (record.data.get("token"), record.data.get("label"), record.data.get("algorithm"))
        for record in records
        if record.step == "generate"
    ]
    if planned != done:
        raise _departs("transcript", f"the plan's keys {planned}")
    signing = {(key.token, key.label) for key in plan.task.signing() if key.spec is None}
    recorded = [record for record in records if record.step == "key"]
    if signing != {(record.data.get("token"), record.data.get("label")) for record in recorded}:
        raise _departs("transcript", "each signing key compared with its issuer's certificate")
    for record in records:
        if record.step in {"generate", "key"}:
            _require(record.data.get("attributes") == dict(REQUIRED), record, "the attributes of a key that only signs")


def _check_names(
    plan: Plan, records: Sequence[Record], made: Mapping[str, x509.Certificate], crls: Mapping[str, bytes]
) -> None:
    names, issuers = [item.name for item in plan.task.certificates], [item.issuer for item in plan.task.crls]
    recorded = [record.data.get("name") for record in records if record.step == "certificate"]
    listed = [record.data.get("issuer") for record in records if record.step == "crl"]
    if names != recorded or issuers != listed or set(names) != set(made) or set(issuers) != set(crls):
        raise _departs("transcript", f"certificates {names} and CRLs of {issuers}, each once")
    wanted = [*names, *(f"crl {issuer}" for issuer in issuers)]
    confirmed = [record.data.get("name") for record in records if record.step == "confirm"]
    again = len(sittings(records)) > 1  # what was confirmed and not signed is confirmed anew
    if wanted != ([name for name, _ in groupby(confirmed)] if again else confirmed):
        raise _departs("transcript", f"a confirmation for each of {wanted}")


def _check_certificate(item: CertificatePlan, certificate: x509.Certificate, record: Record, folder: Folder) -> None:
    said = record.data.get("serial"), record.data.get("sha256")
    _require(
        said == (f"{certificate.serial_number:032x}", fingerprint_hex(certificate)), record, "the certificate's digest"
    )
    _require(certificate.subject == item.subject.x509_name(), record, f"the subject {item.subject.common_name!r}")
    key = require_public_key(certificate.public_key())
    _require(same_key(key, _planned_key(item, folder)), record, "the key that was generated or requested")
    if item.key is not None:
        _require(key_spec(key) is item.key.spec, record, f"a key of kind {item.key.spec}")
    if item.days:
        lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc + timedelta(seconds=1)
        _require(abs(lifetime - timedelta(days=item.days)) <= timedelta(seconds=1), record, f"{item.days} days")


def _planned_key(item: CertificatePlan, folder: Folder) -> PublicKey:
    try:
        if isinstance(item.key, KeyPlan):
            return load_public_key(folder.file(f"public_keys/{item.key.label}.pem"))
        return parse_csr(folder.file(f"requests/{item.name}.csr")).public_key
    except ToolkitError as error:
        raise _departs(item.name, "its public key or its request") from error


def _check_crl(item: CrlPlan, der: bytes, records: Sequence[Record], revoked: Sequence[RevokedEntry]) -> None:
    record = _one(records, "crl", item.issuer, "issuer")
    crl = x509.load_der_x509_crl(der)
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    _require(record.data.get("number") == number, record, f"CRL number {number}")
    lifetime = (crl.next_update_utc or crl.last_update_utc) - crl.last_update_utc
    _require(lifetime == timedelta(days=item.days), record, f"a CRL valid for {item.days} days")
    _require({*revoked} <= {*map(read_entry, crl)}, record, "entries of what is revoked")
    _check_moment(f"CRL of {item.issuer}", crl.last_update_utc.timestamp(), records)


def _check_moment(what: str, seconds: float, records: Sequence[Record]) -> None:
    """Nothing is dated before the ceremony or after it."""
    if not records[0].at.timestamp() <= seconds <= records[-1].at.timestamp():
        raise _departs(what, "a date within the ceremony")


def _one(records: Sequence[Record], step: str, value: str, field: str) -> Record:
    found = [record for record in records if record.step == step and record.data.get(field) == value]
    if len(found) != 1:
        raise _departs("transcript", f"one record {step} of {value}")
    return found[0]


def _require(holds: bool, record: Record, expected: str) -> None:  # noqa: FBT001 - the condition is the point
    if not holds:
        raise _departs(f"transcript, line {record.seq}", expected)


def _departs(where: str, expected: str) -> TrustError:
    return TrustError(f"{where} - expected {expected}, as the plan says - got something else", code="CER-CONFORMANCE")
