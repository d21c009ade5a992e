"""The acts of a ceremony: each announced, confirmed, done, checked and recorded, in this order.

Rules:
    * What is made is drafted, linted by two linters, shown, confirmed, signed, compared, linted again and verified by
      openssl; then it is written, and then it is recorded.
    * Officers prove their presence immediately before each use of a key.

Left to others: the order of acts, and what happens when one fails (:mod:`ceremony.run`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ceremony import steps
from ceremony.device import Device
from ceremony.drafts import describe_draft, differences, essence
from ceremony.folder import BUNDLE, PLAN, SIGNATURES, TRANSCRIPT, NewFolder
from ceremony.hierarchy import Hierarchy, draft_certificate, draft_list, judge, preflight
from ceremony.layout import digest_block, fields, heading, paragraph
from ceremony.openssl import openssl_accepts_certificate, openssl_accepts_crl
from ceremony.plan import ROOT_ISSUER, CertificatePlan, CrlPlan, KeyPlan, Plan
from ceremony.points import Reached, log_point
from ceremony.previous import Previous
from ceremony.quorum import Quorum, verify_sign_off
from ceremony.room import Room
from ceremony.sittings import require_confirmed
from ceremony.tokens import check_inventory, check_signing_key, identity_fields, require_signing_only
from ceremony.transcript import Transcript
from ceremony.words import sha256_hex, typed_words
from pki.crl import sign_crl
from pki.csr import VerifiedCsr
from pki.display import fingerprint_hex
from pki.errors import PolicyError, ToolkitError
from pki.hsm.attributes import KeyAttributes
from pki.hsm.module import PinTries
from pki.keys import PublicKey, encode_public_key, require_public_key, sign_message
from pki.lint import sign_certificate
from pki.trust import TrustBundle, encode_bundle

Clock = Callable[[], datetime]
"""Gives the moment; the only clock of a ceremony."""

CLOCK_WORD = "yes"
"""Typed to confirm the clock."""

_SHOWN = "%Y-%m-%d %H:%M:%S UTC"


@dataclass(slots=True, kw_only=True)
class Ceremony:
    """A running ceremony; made by :func:`ceremony.run.run_ceremony`.

    Attributes:
        plan: What is to be done.
        room: Who is asked and told.
        previous: What there was before.
        quorum: The officers.
        requests: Certificate requests, by the certificate's name.
        folder: What it leaves.
        clock: Gives the moment.
        rehearsal: Whether it only is one.
        hierarchy: What there is by now.
        transcript: What happened by now.
        keys: Public keys of certificates to come, by name.
        generated: Keys made by now, as (token, label).
        drafts: What was drafted when the plan was checked, as people read it.
        interrupted: The key that a power cut may have left on its token; ``None`` otherwise.
        reached: Told each point of the ceremony.
    """

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
    generated: list[tuple[str, str]] = field(default_factory=list)
    drafts: dict[str, str] = field(default_factory=dict)
    interrupted: KeyPlan | None = None
    reached: Reached = log_point

    def recorded(self, step: str, field: str = "", value: str = "") -> bool:
        """Tell whether a step is done: its last record has this value."""
        return any(
            record.step == step and (not field or record.data.get(field) == value) for record in self.transcript.records
        )

    def record(self, step: str, data: Mapping[str, object]) -> None:
        """Record a step, on disk at once."""
        line = self.transcript.add(step, data, at=self.clock(), actor=self.plan.administrator)
        self.folder.append(TRANSCRIPT, line)
        self.reached(f"recorded:{step}")

    def record_stop(self, error: BaseException) -> None:
        """Record why the ceremony stopped, whatever the clock shows by now."""
        code, message = "CER-STOPPED", type(error).__name__
        if isinstance(error, ToolkitError):
            code, message = error.code, error.message
        last = self.transcript.records[-1:]
        at = max([self.clock(), *(record.at for record in last)])
        line = self.transcript.add("stopped", {"code": code, "message": message}, at=at, actor=self.plan.administrator)
        self.folder.append(TRANSCRIPT, line)

    def begin(self) -> None:
        """Record what this ceremony is, and everything it starts from."""
        files = self._write(PLAN, self.plan.source)
        for name, request in self.requests.items():
            files |= self._write(f"requests/{name}.csr", request.der)
        crls = self.plan.task.crls
        known = {self.plan.task.issuer, *(crl.issuer for crl in crls), *(it.name for crl in crls for it in crl.revoked)}
        for name in sorted(known - {ROOT_ISSUER}):
            files |= self._write(f"issuers/{name}.pem", self.hierarchy.issuer(name).public_bytes(Encoding.PEM))
        if self.previous.bundle is not None:
            files |= self._write(BUNDLE, encode_bundle(self.previous.bundle))
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

    def preflight(self) -> None:
        """Draft everything with throw-away keys."""
        public_keys = {name: request.public_key for name, request in self.requests.items()}
        self.drafts = preflight(self.plan.task, self.hierarchy, public_keys, self.clock())
        digests = {name: sha256_hex(text.encode("utf-8")) for name, text in self.drafts.items()}
        self.record("preflight", {"drafts": digests})

    def confirm_plan(self) -> None:
        """Have the plan's words and the clock confirmed."""
        self._announce(steps.CONFIRM)
        words = typed_words(self.plan.sha256)
        self.room.say(paragraph("SHA-256 of the plan. Read it aloud; the witness compares it with the approved one:"))
        self.room.say(digest_block(self.plan.sha256))
        self.room.confirm("that this is the approved plan", words)
        self.record("plan", {"words": words})
        now = self.clock().astimezone(UTC).strftime(_SHOWN)
        self.room.say(f"\nThis machine's clock shows {now}.\nCompare it with a watch of your own.")
        self.room.confirm("that the clock is right", CLOCK_WORD)
        self.record("clock", {"shown": now})

    def inspect(self, tokens: Mapping[str, Device]) -> None:
        """Record which tokens these are; log in; compare what is on them with the plan, and the keys that sign."""
        self._announce(steps.opening(self.plan))
        for name, token in tokens.items():
            said = identity_fields(token)
            self.room.say(f"Token {name}:\n" + fields("\n".join(f"{key}: {value}" for key, value in said.items())))
            if orphans := self.plan.tokens[name].orphans:
                self.record("deviation", {"token": name, "orphans": list(orphans), "allowed_by": "the plan"})
            if token.tries is not PinTries.ALL:
                self.room.say(
                    paragraph(f"CAREFUL: somebody typed a wrong PIN before. Token {name} has {token.tries} tries left.")
                )
            self.record("token", {"token": name, **said})
        self._adopt(tokens)
        self._inventory(tokens, after=False)
        signing = {self.plan.task.issuer: self.plan.task.issuer_key} | {
            crl.issuer: crl.key for crl in self.plan.task.crls
        }
        for issuer, key in signing.items():
            if key.spec is None:
                public_key = require_public_key(self.hierarchy.issuer(issuer).public_key())
                attributes = check_signing_key(key.token, tokens[key.token], key.label, public_key)
                self.room.say(f"The key {key.label!r} on token {key.token} is the one of {issuer}; it can only sign.")
                self.record("key", {"issuer": issuer, "token": key.token, **_attribute_fields(attributes)})

    def generate(self, item: CertificatePlan, key: KeyPlan, token: Device) -> None:
        """Generate a key; its attributes are read back in a new session, and a signature is verified."""
        if key.spec is None:
            raise PolicyError(f"key {key.label!r} - expected one to generate - got one that is there", code="CER-PLAN")
        self._announce(steps.generating(key))
        self._presence()
        if (key.token, key.label) in self.generated:  # adopted
            sign_message(token.key(key.label), b"skreg self test of an adopted key")
        else:
            self.room.say("The token generates the key now. This may take a while.")
            # Before: when a token fails halfway, the key may be there.
            self.generated.append((key.token, key.label))
            token.generate(key.label, key.spec)
        self.reached("generated")
        # From a fresh look at the token, not from what generation returned.
        attributes = token.attributes(key.label)
        require_signing_only(attributes)
        public_key = token.key(key.label).public_key()
        files = self._write(f"public_keys/{key.label}.pem", encode_public_key(public_key))
        self.record(
            "generate",
            {
                "certificate": item.name,
                "token": key.token,
                "algorithm": key.spec.value,
                **_attribute_fields(attributes),
                "files": files,
            },
        )
        self.keys[item.name] = public_key
        self.room.say("Done. The token says, asked again in a new session:")
        self.room.say(fields(", ".join(f"{name}={value}" for name, value in attributes.flags)))
        self.room.say(paragraph("A test signature was verified with the public key that the token gave."))

    def certificate(self, item: CertificatePlan, token: Device) -> None:
        """Issue a certificate."""
        task, at = self.plan.task, self.clock()
        self._announce(steps.certifying(item, task.issuer))
        left = self.folder.leftovers.get(f"certificates/{item.name}.pem")
        if left is None:
            certificate = self._sign_certificate(item, token, at)
        else:
            certificate = x509.load_pem_x509_certificate(left)
            self._take_up(item.name, describe_draft(certificate))
        judge(certificate.public_bytes(Encoding.DER), "certificate", item.name)
        self.hierarchy = self.hierarchy.with_certificate(item.name, certificate)
        path = [ROOT_ISSUER] if task.issuer == ROOT_ISSUER else [ROOT_ISSUER, task.issuer]
        issuers = [self.hierarchy.issuer(name).public_bytes(Encoding.PEM) for name in path]
        pem = certificate.public_bytes(Encoding.PEM)
        openssl_accepts_certificate(pem, issuers=issuers, at=at)
        self.record(
            "certificate",
            {
                "name": item.name,
                "issuer": task.issuer,
                "serial": f"{certificate.serial_number:032x}",
                "sha256": fingerprint_hex(certificate),
                "judges": ["profile", "pkilint", "openssl"],
                "files": self._write(f"certificates/{item.name}.pem", pem),
            },
        )
        self._done(f"certificate {item.name}", fingerprint_hex(certificate))

    def _sign_certificate(self, item: CertificatePlan, token: Device, at: datetime) -> x509.Certificate:
        task, request = self.plan.task, self.requests.get(item.name)
        public_key = self.keys[item.name] if request is None else request.public_key
        linted = draft_certificate(item, task=task, hierarchy=self.hierarchy, public_key=public_key, at=at)
        serials = {certificate.serial_number for certificate in self.hierarchy.certificates.values()}
        if linted.draft.serial_number in serials | self.previous.serials:
            raise PolicyError("serial number - expected a new one - got one that is taken", code="CER-SERIAL")
        self._confirm(item.name, describe_draft(linted.draft))
        self._presence()
        certificate = sign_certificate(linted, token.key(task.issuer_key.label))
        self.reached("signed")
        return certificate

    def crl(self, item: CrlPlan, token: Device) -> None:
        """Issue a CRL."""
        self._announce(steps.listing(item))
        name = f"crl {item.issuer}"
        der = self.folder.leftovers.get(f"crls/{item.issuer}.crl")
        if der is None:
            linted = draft_list(item, hierarchy=self.hierarchy, at=self.clock())
            self._confirm(name, describe_draft(linted.draft))
            self._presence()
            der = sign_crl(linted, token.key(item.key.label))
            self.reached("signed")
        else:
            self._take_up(name, describe_draft(x509.load_der_x509_crl(der)))
        judge(der, "crl", f"CRL of {item.issuer}")
        openssl_accepts_crl(der, issuer=self.hierarchy.issuer(item.issuer).public_bytes(Encoding.PEM))
        self.hierarchy = self.hierarchy.with_crl(item.issuer, der)
        number = x509.load_der_x509_crl(der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        self.record(
            "crl",
            {
                "issuer": item.issuer,
                "number": number,
                "judges": ["rules", "pkilint", "openssl"],
                "files": self._write(f"crls/{item.issuer}.crl", der),
            },
        )
        self._done(f"CRL of {item.issuer}", sha256_hex(der))

    def bundle(self) -> None:
        """Write trust bundle 1 after a root was made."""
        root = self.plan.task.root
        if root is None:
            return
        bundle = TrustBundle(
            version=1,
            trust_domain=root.trust_domain,
            roots=(self.hierarchy.issuer(ROOT_ISSUER),),
            officers=self.quorum.officers,  # in a rehearsal the throw-away ones
        )
        self.record("bundle", {"version": 1, "files": self._write(BUNDLE, encode_bundle(bundle))})

    def compare(self, tokens: Mapping[str, Device]) -> None:
        """Compare what is on the tokens with what was there before."""
        self._announce(steps.AFTERWARDS)
        self._inventory(tokens, after=True)

    def finish(self) -> None:
        """Have the officers sign the end, and close the folder."""
        self._announce(steps.SIGN_OFF)
        if not self.recorded("end"):
            self.record("end", {"certificates": len(self.plan.task.certificates), "crls": len(self.plan.task.crls)})
        signatures = self.folder.leftovers.get(SIGNATURES)
        if signatures is None:
            signatures = self.quorum.sign_off(self.transcript.head)
        verify_sign_off(self.quorum.officers, signatures, self.transcript.head)
        self._write(SIGNATURES, signatures)
        self.folder.close(TRANSCRIPT)
        self.room.say("SHA-256 of the transcript's last line, for the witness to write down:")
        self.room.say(digest_block(self.transcript.head))
        self.room.say(f"Signed by: {', '.join(sorted(self.quorum.credentials))}. The ceremony has ended.\n")

    def _announce(self, title: str) -> None:
        titles = steps.steps(self.plan)
        self.room.say(heading(f"Step {titles.index(title) + 1} of {len(titles)}: {title}"))

    def _write(self, name: str, content: bytes) -> dict[str, str]:
        """Write a file; return it as a record names it."""
        written = {name: self.folder.write(name, content)}
        self.reached(f"written:{name}")
        return written

    def _inventory(self, tokens: Mapping[str, Device], *, after: bool) -> None:
        for name, token in tokens.items():
            labels = (*self.plan.tokens[name].expected, *(label for place, label in self.generated if place == name))
            self.record("inventory", {**check_inventory(name, token, labels), "after": after})
            held = ", ".join(sorted(labels)) or "no key"
            self.room.say(paragraph(f"Token {name} holds {held}, as expected, and nothing else."))

    def _adopt(self, tokens: Mapping[str, Device]) -> None:
        """Ask about a key that a power cut left on its token: it is not made a second time, nor used in silence."""
        key = self.interrupted
        if key is None or key.label not in {found.label for found in tokens[key.token].inventory()}:
            return
        self.room.say(
            paragraph(
                f"Token {key.token} holds the key {key.label!r}, whose generation was begun before the interruption and"
                " not recorded. It will be checked like a new one: born in this token, unable to leave, only to sign."
            )
        )
        self.room.confirm("that it is the one of this ceremony", f"adopt {key.label}")
        self.record("deviation", {"token": key.token, "adopted": key.label, "allowed_by": "those present"})
        self.generated.append((key.token, key.label))

    def _take_up(self, name: str, draft: str) -> None:
        """Take what was signed before an interruption, if it is what was confirmed; officers prove presence again."""
        require_confirmed(self.transcript.records, name, draft)
        self.room.show(f"Was signed and written before the interruption ({name}):\n{fields(draft)}")
        self._presence()

    def _presence(self) -> None:
        """Have every officer sign the transcript as it is now."""
        head = self.transcript.head
        for officer, signature in self.quorum.presence(head):
            self.record("presence", {"officer": officer, "head": head, "signature": signature})
        self.room.say(f"Present, proved by signature: {', '.join(sorted(self.quorum.credentials))}.")

    def _confirm(self, name: str, draft: str) -> None:
        """Show what will be signed, with its difference to the plan, and have it confirmed."""
        names = differences(name, planned=self.drafts[name], now=draft)
        self.room.show(f"Will be signed ({name}):\n{fields(draft)}")
        # Again, beside the question: by now the first lines may have left the screen.
        self.room.say(f"\nIn short:\n{fields(essence(draft))}")
        self.room.say(
            paragraph(
                f"Both linters passed it. Since the plan was checked, only these fields changed: {', '.join(names)}."
                if names
                else "Both linters passed it. It is the plan's draft to the letter."
            )
        )
        self.room.confirm("that this shall be signed", f"sign {name}")
        self.record("confirm", {"name": name, "draft": sha256_hex(draft.encode("utf-8")), "changed": list(names)})

    def _done(self, what: str, digest: str) -> None:
        self.room.say(
            paragraph(
                f"Done: the {what} is signed; it is to the byte what was linted; both linters and openssl accepted it;"
                " it is written and was read back. Its SHA-256, to be read aloud:"
            )
        )
        self.room.say(digest_block(digest))


def _attribute_fields(attributes: KeyAttributes) -> dict[str, object]:
    return {"label": attributes.label, "id": attributes.id, "attributes": dict(attributes.flags)}
