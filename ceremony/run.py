"""Running a ceremony: the steps, in their order, each recorded when it is done.

    1. Continuity, requests and the whole plan are checked, everything is drafted with throw-away keys and linted twice.
    2. The room confirms the plan by its words, and the clock.
    3. Tokens are opened: identity as pinned, inventory as the plan says.
    4. Keys are generated. Officers prove their presence before each use of a key.
    5. Certificates, then CRLs: drafted, linted twice, shown, confirmed, signed, linted again, verified by openssl,
       written.
    6. The inventory is as before plus the new keys. The officers sign the transcript's end. SHA256SUMS.

Rules:
    * Whatever goes wrong: it is recorded, tokens are logged out, the ceremony stops. A stopped ceremony has no
      SHA256SUMS, so that nothing takes its folder for one that ended.

Left to others: who types (:mod:`ceremony.room`), throw-away tokens (:mod:`ceremony.rehearsal`).

Example::

    run_ceremony(plan, room=room, previous=previous, credentials=keys, requests=requests, out=path, clock=clock)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from ceremony.folder import BUNDLE, PLAN, SIGNATURES, TRANSCRIPT, NewFolder
from ceremony.hierarchy import Hierarchy, draft_certificate, draft_list, judge, preflight
from ceremony.openssl import openssl_accepts_certificate, openssl_accepts_crl
from ceremony.plan import ROOT_ISSUER, CertificatePlan, CrlPlan, KeyPlan, Plan
from ceremony.previous import Previous
from ceremony.quorum import Quorum
from ceremony.room import Room
from ceremony.tokens import check_inventory, identity_fields, open_tokens
from ceremony.transcript import Transcript
from ceremony.words import typed_words
from pki.crl import sign_crl
from pki.csr import VerifiedCsr
from pki.display import describe_certificate, describe_crl, fingerprint_hex
from pki.errors import ToolkitError
from pki.hsm.token import Token
from pki.keys import PrivateKey, PublicKey, encode_public_key
from pki.lint import sign_certificate
from pki.trust import TrustBundle, encode_bundle

Clock = Callable[[], datetime]
"""Gives the moment; the only clock of a ceremony."""

CLOCK_WORD = "yes"
"""Typed to confirm the clock."""


@dataclass(slots=True, kw_only=True)
class Ceremony:
    """A running ceremony; made by :func:`run_ceremony`."""

    plan: Plan
    room: Room
    previous: Previous
    quorum: Quorum
    requests: Mapping[str, VerifiedCsr]
    folder: NewFolder
    clock: Clock
    rehearsal: bool
    hierarchy: Hierarchy
    transcript: Transcript = field(default_factory=Transcript)
    keys: dict[str, PublicKey] = field(default_factory=dict)

    def record(self, step: str, data: Mapping[str, object]) -> None:
        """Record a step, on disk at once."""
        line = self.transcript.add(step, data, at=self.clock(), actor=self.plan.administrator)
        self.folder.append(TRANSCRIPT, line)

    def write(self, name: str, content: bytes) -> dict[str, str]:
        """Write a file; return it as a record names it."""
        return {name: self.folder.write(name, content)}

    def begin(self) -> None:
        """Record what this ceremony is, and everything it starts from."""
        files = self.write(PLAN, self.plan.source)
        for name, request in self.requests.items():
            files |= self.write(f"requests/{name}.csr", request.der)
        for name in _chain(self.plan.task.issuer, self.plan):
            pem = self.hierarchy.issuer(name).public_bytes(Encoding.PEM)
            files |= self.write(f"issuers/{name}.pem", pem)
        if self.previous.bundle is not None:
            files |= self.write(BUNDLE, encode_bundle(self.previous.bundle))
        self.record(
            "begin",
            {
                "kind": self.plan.kind.value,
                "name": self.plan.name,
                "clause": self.plan.clause,
                "plan_sha256": self.plan.sha256,
                "witness": self.plan.witness,
                "custody": self.plan.custody,
                "rehearsal": self.rehearsal,
                "quorum": self.quorum.needed,
                "base_url": self.hierarchy.urls.base,
                "previous": list(self.previous.heads),
                "files": files,
            },
        )

    def confirm_plan(self) -> None:
        """Have the plan's words and the clock confirmed."""
        words = typed_words(self.plan.sha256)
        self.room.say(f"Plan {self.plan.name}, SHA-256 {self.plan.sha256}")
        self.room.confirm("the plan's digest", words)
        self.record("plan", {"words": words})
        now = self.clock().astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self.room.say(f"The clock shows {now}")
        self.room.confirm("that the clock is right", CLOCK_WORD)
        self.record("clock", {"shown": now})

    def preflight(self) -> None:
        """Draft everything with throw-away keys."""
        public_keys = {name: request.public_key for name, request in self.requests.items()}
        preflight(self.plan.task, self.hierarchy, public_keys, self.clock())
        self.record("preflight", {"certificates": [item.name for item in self.plan.task.certificates]})

    def inventory(self, tokens: Mapping[str, Token], *, after: bool) -> None:
        """Compare what is on the tokens with the plan."""
        fresh = self.plan.task.generated() if after else ()
        for name, token in tokens.items():
            labels = (*self.plan.tokens[name].holds, *(key.label for key in fresh if key.token == name))
            found = check_inventory(name, token, labels)
            self.record("inventory", {**found, **identity_fields(token), "after": after})

    def presence(self) -> None:
        """Have every officer sign the transcript as it is now."""
        head = self.transcript.head
        for officer, signature in self.quorum.presence(head):
            self.record("presence", {"officer": officer, "head": head, "signature": signature})

    def generate(self, item: CertificatePlan, key: KeyPlan, tokens: Mapping[str, Token]) -> None:
        """Generate a key; its attributes are read back in a new session, and a signature is verified."""
        assert key.spec is not None  # noqa: S101 - generated() gives only keys that have one
        self.room.say(f"Generating {key.spec} key {key.label!r} on token {key.token}")
        self.presence()
        tokens[key.token].generate(key.label, key.spec)
        # From a fresh look at the token, not from what generation returned.
        public_key = tokens[key.token].key(key.label).public_key()
        attributes = tokens[key.token].attributes(key.label)
        files = self.write(f"public_keys/{key.label}.pem", encode_public_key(public_key))
        self.record(
            "generate",
            {
                "token": key.token,
                "label": key.label,
                "algorithm": key.spec.value,
                "attributes": dict(attributes.flags),
                "files": files,
            },
        )
        self.keys[item.name] = public_key

    def certificate(self, item: CertificatePlan, key: PrivateKey) -> None:
        """Issue a certificate."""
        request = self.requests.get(item.name)
        public_key = self.keys[item.name] if request is None else request.public_key
        at = self.clock()
        linted = draft_certificate(item, task=self.plan.task, hierarchy=self.hierarchy, public_key=public_key, at=at)
        self._show(item.name, describe_certificate(linted.draft))
        self.presence()
        certificate = sign_certificate(linted, key)
        judge(certificate.public_bytes(Encoding.DER), "certificate", item.name)
        self.hierarchy = self.hierarchy.with_certificate(item.name, certificate)
        issuers = [self.hierarchy.issuer(name).public_bytes(Encoding.PEM) for name in _path(self.plan.task.issuer)]
        pem = certificate.public_bytes(Encoding.PEM)
        openssl_accepts_certificate(pem, issuers=issuers, at=at)
        self.record(
            "certificate",
            {
                "name": item.name,
                "issuer": self.plan.task.issuer,
                "serial": f"{certificate.serial_number:032x}",
                "sha256": fingerprint_hex(certificate),
                "judges": ["profile", "pkilint", "openssl"],
                "files": self.write(f"certificates/{item.name}.pem", pem),
            },
        )

    def crl(self, item: CrlPlan, key: PrivateKey) -> None:
        """Issue a CRL."""
        linted = draft_list(item, hierarchy=self.hierarchy, at=self.clock())
        self._show(f"crl {item.issuer}", describe_crl(linted.draft))
        self.presence()
        der = sign_crl(linted, key)
        judge(der, "crl", f"CRL of {item.issuer}")
        openssl_accepts_crl(der, issuer=self.hierarchy.issuer(item.issuer).public_bytes(Encoding.PEM))
        self.hierarchy = self.hierarchy.with_crl(item.issuer, der)
        files = self.write(f"crls/{item.issuer}.crl", der)
        self.record("crl", {"issuer": item.issuer, "judges": ["rules", "pkilint", "openssl"], "files": files})

    def bundle(self) -> None:
        """Write trust bundle 1 after a root was made."""
        if self.plan.task.root is None:
            return
        root = self.plan.task.root
        bundle = TrustBundle(
            version=1,
            trust_domain=root.trust_domain,
            roots=(self.hierarchy.issuer(ROOT_ISSUER),),
            officers=self.quorum.officers,  # in a rehearsal the throw-away ones
        )
        self.record("bundle", {"version": 1, "files": self.write(BUNDLE, encode_bundle(bundle))})

    def finish(self) -> None:
        """Have the officers sign the end, and close the folder."""
        self.record("end", {"certificates": len(self.plan.task.certificates), "crls": len(self.plan.task.crls)})
        self.folder.write(SIGNATURES, self.quorum.sign_off(self.transcript.head))
        self.folder.close(TRANSCRIPT)

    def _show(self, name: str, description: str) -> None:
        self.room.say(f"\nTo be signed: {name}\n{description}")
        self.room.confirm(f"what will be signed as {name}", f"sign {name}")


def run_ceremony(
    plan: Plan,
    *,
    room: Room,
    previous: Previous,
    credentials: Mapping[str, PrivateKey],
    requests: Mapping[str, VerifiedCsr],
    out: Path,
    clock: Clock,
    rehearsal: bool = False,
) -> Ceremony:
    """Run a ceremony to its end.

    Args:
        plan: What is to be done.
        room: Who is asked and told.
        previous: What there is.
        credentials: The officers' private keys, by officer's id.
        requests: Certificate requests, by the certificate's name.
        out: The new folder.
        clock: Gives the moment.
        rehearsal: Whether this is one; its folder says so for ever.

    Returns:
        The ceremony, ended.

    Raises:
        ToolkitError: it was stopped; the folder's transcript says where, if it had begun.
    """
    officers = previous.bundle.officers if previous.bundle is not None else previous.root.officers
    quorum = Quorum(officers=officers, needed=previous.root.quorum, credentials=credentials)
    ceremony = Ceremony(
        plan=plan,
        room=room,
        previous=previous,
        quorum=quorum,
        requests=requests,
        folder=NewFolder.create(out),
        clock=clock,
        rehearsal=rehearsal,
        hierarchy=previous.hierarchy,
    )
    try:
        _perform(ceremony)
    except ToolkitError as error:
        ceremony.record("stopped", {"code": error.code, "message": error.message})
        raise
    except BaseException as error:
        ceremony.record("stopped", {"code": "CER-STOPPED", "message": type(error).__name__})
        raise
    return ceremony


def _perform(ceremony: Ceremony) -> None:
    task = ceremony.plan.task
    if ceremony.rehearsal:
        ceremony.room.say("REHEARSAL: throw-away tokens, nothing made here is valid")
    ceremony.begin()
    ceremony.preflight()
    ceremony.confirm_plan()
    with open_tokens(ceremony.plan.tokens, ceremony.room.pin) as tokens:
        ceremony.inventory(tokens, after=False)
        for item in task.certificates:
            if item.key is not None:
                ceremony.generate(item, item.key, tokens)
        for item in task.certificates:
            ceremony.certificate(item, tokens[task.issuer_key.token].key(task.issuer_key.label))
        for crl in task.crls:
            ceremony.crl(crl, tokens[crl.key.token].key(crl.key.label))
        ceremony.bundle()
        ceremony.inventory(tokens, after=True)
    ceremony.finish()


def _path(issuer: str) -> list[str]:
    """Names from the root to an issuer."""
    return [ROOT_ISSUER] if issuer == ROOT_ISSUER else [ROOT_ISSUER, issuer]


def _chain(issuer: str, plan: Plan) -> list[str]:
    """Names of intermediates whose certificates an auditor needs besides the bundle."""
    names = {issuer, *(crl.issuer for crl in plan.task.crls)} - {ROOT_ISSUER}
    return sorted(names)
