"""Officers: who is in the room, proved by signatures over the transcript.

Presence: before every use of a key each officer signs ``skreg ceremony presence v1`` LF HEAD LF, where HEAD is the
SHA-256 of the transcript's last line. So the signature belongs to this moment of this ceremony.
Signing off: at the end each signs ``skreg ceremony transcript v1`` LF HEAD LF. ``transcript.sig.json``::

    {"head": SHA - 256, "schema": 1, "signatures": [{"officer": ID, "signature": BASE64}]}

Rules:
    * A credential counts only for the officer whose public key it matches; fewer than the quorum stops the ceremony.
    * The root never signs transcripts: it signs certificates and CRLs.
    * This is evidence. Enforcement is the token's own M-of-N, or a PIN that is split among officers; the plan says
      which.

Example::

    present = Quorum(officers=bundle.officers, needed=2, credentials={"ada": key, "bo": other})
    present.sign_head(transcript.head)
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.keys import PrivateKey, encode_public_key, sign_message, verify_message
from pki.trust import Officer

SCHEMA = 1
MAX_SIGNATURES_BYTES = 131_072
"""64 officers with RSA keys."""

_PRESENCE = b"skreg ceremony presence v1\n"
_TRANSCRIPT = b"skreg ceremony transcript v1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """The officers who are present with their credentials.

    Attributes:
        officers: All officers.
        needed: How many must be present.
        credentials: Private key by officer's id.

    Raises:
        PolicyError: a credential is nobody's or another's (CER-OFFICER), or they are too few (CER-QUORUM).
    """

    officers: tuple[Officer, ...]
    needed: int
    credentials: Mapping[str, PrivateKey]

    def __post_init__(self) -> None:
        """Refuse a room that is not complete."""
        for identifier, key in self.credentials.items():
            officer = find_officer(self.officers, identifier)
            if encode_public_key(key.public_key()) != encode_public_key(officer.public_key):
                raise PolicyError(
                    f"officer {identifier} - expected the key of the trust bundle - got another", code="CER-OFFICER"
                )
        require_quorum(len(self.credentials), self.needed)

    def presence(self, head: str) -> tuple[tuple[str, str], ...]:
        """Return for each officer present the signature over the transcript's head: id, base64."""
        return self._signatures(_PRESENCE, head)

    def sign_off(self, head: str) -> bytes:
        """Return ``transcript.sig.json``."""
        signatures = [
            {"officer": officer, "signature": value} for officer, value in self._signatures(_TRANSCRIPT, head)
        ]
        return _encode({"schema": SCHEMA, "head": head, "signatures": signatures})

    def _signatures(self, context: bytes, head: str) -> tuple[tuple[str, str], ...]:
        message = context + head.encode("ascii") + b"\n"
        return tuple(
            (identifier, base64.b64encode(sign_message(key, message)).decode("ascii"))
            for identifier, key in sorted(self.credentials.items())
        )


def find_officer(officers: tuple[Officer, ...], identifier: str) -> Officer:
    """Return the officer with an id.

    Raises:
        PolicyError: there is none (CER-OFFICER).
    """
    for officer in officers:
        if officer.id == identifier:
            return officer
    known = ", ".join(officer.id for officer in officers)
    raise PolicyError(f"officer {identifier[:40]!r} - expected one of {known} - got another", code="CER-OFFICER")


def require_quorum(present: int, needed: int) -> None:
    """Check the number of officers.

    Raises:
        PolicyError: they are too few (CER-QUORUM).
    """
    if present < needed:
        raise PolicyError(f"officers present - expected {needed} or more - got {present}", code="CER-QUORUM")


def require_separate_roles(administrator: str, witness: str, officers: tuple[Officer, ...]) -> None:
    """Check that administrator, witness and officers are different persons, by their names.

    Raises:
        PolicyError: somebody has two roles (CER-ROLES).
    """
    people = [administrator, witness, *(officer.name for officer in officers)]
    names = [" ".join(name.split()).casefold() for name in people]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PolicyError(
            "roles - expected administrator, witness and officers who are different persons"
            f" - got {', '.join(twice)[:200]} twice",
            code="CER-ROLES",
        )


def verify_presence(officers: tuple[Officer, ...], identifier: str, head: str, signature: str) -> Officer:
    """Return the officer who was present when the transcript's head was ``head``.

    Raises:
        TrustError: nobody of that id signed it (CER-PRESENCE).
    """
    return _verify(officers, identifier, _PRESENCE, head, signature, code="CER-PRESENCE")


def verify_sign_off(officers: tuple[Officer, ...], data: bytes, head: str) -> tuple[Officer, ...]:
    """Return the officers who signed the transcript's end.

    Args:
        officers: All officers.
        data: ``transcript.sig.json``.
        head: SHA-256 of the transcript's last line.

    Raises:
        MalformedError: the file is not of its form (CER-SIGNATURES).
        TrustError: a signature is not by its officer over this transcript (CER-SIGNATURES).
    """
    try:
        document = json.loads(data if len(data) <= MAX_SIGNATURES_BYTES else b"")
        found = [(str(item["officer"]), str(item["signature"])) for item in document["signatures"]]
        named = document["head"], document["schema"], frozenset(document)
        canonical = _encode(document)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MalformedError("transcript.sig.json - expected its form - got another", code="CER-SIGNATURES") from error
    if canonical != data:
        raise MalformedError("transcript.sig.json - expected its one spelling - got another", code="CER-SIGNATURES")
    if named != (head, SCHEMA, frozenset({"head", "schema", "signatures"})):
        raise TrustError(f"transcript.sig.json - expected signatures over {head} - got others", code="CER-SIGNATURES")
    if len({identifier for identifier, _ in found}) != len(found):
        raise TrustError("transcript.sig.json - expected each officer once - got one twice", code="CER-SIGNATURES")
    return tuple(
        _verify(officers, identifier, _TRANSCRIPT, head, signature, code="CER-SIGNATURES")
        for identifier, signature in found
    )


def _encode(document: object) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def _verify(
    officers: tuple[Officer, ...], identifier: str, context: bytes, head: str, signature: str, *, code: str
) -> Officer:
    try:
        officer = find_officer(officers, identifier)
        raw = base64.b64decode(signature, validate=True)
        verify_message(officer.public_key, raw, context + head.encode("ascii") + b"\n")
    except (ToolkitError, binascii.Error, ValueError) as error:
        raise TrustError(
            f"signature of officer {identifier[:40]!r} - expected one over {head} - got {error}", code=code
        ) from error
    if base64.b64encode(raw).decode("ascii") != signature:
        raise TrustError(f"signature of officer {identifier!r} - expected strict base64 - got stray bits", code=code)
    return officer
