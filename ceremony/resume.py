"""Taking a ceremony up again after a power cut: at the first step that has no record.

Rules:
    * The folder tells what happened: each recorded file is read and compared with its digest; a line of the transcript
      that was torn is taken off, and its digest recorded; what was being written is removed, and named.
    * Plan and clock are confirmed again, tokens opened and compared again, with the keys made before the interruption.
    * A key that a token holds without a record is adopted only where its generation had begun, by a typed word and as a
      deviation. A signed file without a record is taken up only if it is what was confirmed.
    * All officers who were present before must be present again. A ceremony that was stopped is not resumed.

Example::

    resume_ceremony(plan, room=room, previous=previous, credentials=keys, requests=requests, out=path, clock=clock)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from ceremony.acts import Ceremony, Clock
from ceremony.continuity import check_continuity
from ceremony.folder import PART, PLAN, SUMS, TRANSCRIPT, NewFolder, read_files
from ceremony.hierarchy import Hierarchy
from ceremony.layout import heading, paragraph
from ceremony.plan import Plan
from ceremony.points import Reached, log_point
from ceremony.previous import Previous
from ceremony.quorum import Quorum
from ceremony.room import Room
from ceremony.run import guard, perform, require_requests
from ceremony.sittings import RESUMED, interrupted_key
from ceremony.transcript import Record, Transcript, mapping, parse_transcript
from ceremony.verify import check_presence
from ceremony.words import sha256_hex
from pki.csr import VerifiedCsr
from pki.errors import ConfigurationError, NotFoundError, PolicyError, TrustError
from pki.keys import PrivateKey, load_public_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A folder that a power cut left.

    Attributes:
        path: Where.
        records: The transcript's whole lines.
        torn: What follows them.
        files: All other files by name, but for those that were being written.
        parts: Names of those.
    """

    path: Path
    records: tuple[Record, ...]
    torn: bytes
    files: Mapping[str, bytes]
    parts: tuple[str, ...]

    def file(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            TrustError: there is none (CER-SUMS).
        """
        if name not in self.files:
            raise TrustError(f"{name} - expected what the transcript recorded - got none", code="CER-SUMS")
        return self.files[name]


def resume_ceremony(
    plan: Plan,
    *,
    room: Room,
    previous: Previous,
    credentials: Mapping[str, PrivateKey],
    requests: Mapping[str, VerifiedCsr],
    out: Path,
    clock: Clock,
    reached: Reached = log_point,
) -> Ceremony:
    """Bring an interrupted ceremony to its end.

    Args:
        plan: What is to be done.
        room: Who is asked and told.
        previous: What there is.
        credentials: The officers' private keys, by officer's id.
        requests: Certificate requests, by the certificate's name.
        out: The folder that the interruption left.
        clock: Gives the moment.
        reached: Told each point of the ceremony.

    Returns:
        The ceremony, ended.

    Raises:
        ToolkitError: the folder cannot be resumed (CER-RESUME, CER-TRANSCRIPT), or what stops any ceremony.
    """
    check_continuity(plan, previous, requests, at=clock())
    require_requests(plan, requests)
    left = load_unfinished(out)
    _require_resumable(left, plan)
    officers = previous.bundle.officers if previous.bundle is not None else previous.root.officers
    quorum = Quorum(officers=officers, needed=previous.root.quorum, credentials=credentials)
    _require_present(left, quorum)
    ceremony = Ceremony(
        plan=plan,
        room=room,
        previous=previous,
        quorum=quorum,
        requests=requests,
        folder=_reopen(left),
        clock=clock,
        rehearsal=False,
        hierarchy=_hierarchy(left, previous.hierarchy),
        transcript=Transcript(list(left.records)),
        generated=[(str(r.data.get("token")), str(r.data.get("label"))) for r in left.records if r.step == "generate"],
        interrupted=interrupted_key(plan, left.records),
        reached=reached,
    )
    for record in left.records:
        if record.step == "generate":
            pem = left.file(f"public_keys/{record.data.get('label')}.pem")
            ceremony.keys[str(record.data.get("certificate"))] = load_public_key(pem)
    return guard(ceremony, lambda it: _go_on(it, left))


def load_unfinished(path: Path) -> Unfinished:
    """Read a folder that a power cut left; nothing in it is changed.

    Raises:
        NotFoundError: there is none (CER-RESUME).
        TrustError: its transcript is broken but for its end (CER-TRANSCRIPT), or a file is none (CER-SUMS).
    """
    if not path.is_dir():
        raise NotFoundError(f"{path} - expected the folder of a ceremony - got none", code="CER-RESUME")
    files = read_files(path)
    transcript = files.pop(TRANSCRIPT, b"")
    whole = transcript.rfind(b"\n") + 1
    return Unfinished(
        path=path,
        records=parse_transcript(transcript[:whole]) if whole else (),
        torn=transcript[whole:],
        files={name: data for name, data in files.items() if not name.endswith(PART)},
        parts=tuple(name for name in files if name.endswith(PART)),
    )


def _require_resumable(left: Unfinished, plan: Plan) -> None:
    steps = [record.step for record in left.records]
    if SUMS in left.files or "stopped" in steps:
        how = "ended" if SUMS in left.files else "stopped"
        raise PolicyError(
            f"{left.path} - expected a ceremony that was interrupted - got one that {how}",
            code="CER-RESUME",
            hint="a ceremony that stopped is kept; the next plan names its keys under `orphans`",
        )
    if left.files.get(PLAN, plan.source) != plan.source:
        raise PolicyError(f"plan - expected the one of {left.path} - got another", code="CER-RESUME")
    if left.records and left.records[0].data.get("rehearsal") is not False:
        raise PolicyError(f"{left.path} - expected a ceremony - got a rehearsal", code="CER-REHEARSAL")
    for name, digest in _recorded(left.records).items():
        if sha256_hex(left.file(name)) != digest:
            raise TrustError(f"{name} - expected what the transcript recorded - got another", code="CER-SUMS")


def _require_present(left: Unfinished, quorum: Quorum) -> None:
    present = check_presence(left.records, quorum.officers, quorum.needed)
    if away := sorted(present - set(quorum.credentials)):
        raise PolicyError(
            f"officers - expected all who were present before - got none of {', '.join(away)}", code="CER-QUORUM"
        )


def _recorded(records: Sequence[Record]) -> dict[str, str]:
    return {name: str(digest) for record in records for name, digest in mapping(record.data.get("files")).items()}


def _reopen(left: Unfinished) -> NewFolder:
    """Take off what was torn, and give the folder for going on."""
    try:
        for name in left.parts:
            (left.path / name).unlink()
        if left.torn:
            transcript = left.path / TRANSCRIPT
            os.truncate(transcript, transcript.stat().st_size - len(left.torn))
    except OSError as error:
        raise ConfigurationError(f"{left.path} cannot be changed: {error.strerror}", code="CER-OUTPUT") from error
    sums = _recorded(left.records)
    leftovers = {name: data for name, data in left.files.items() if name not in sums}
    return NewFolder(left.path, {**sums, **({TRANSCRIPT: ""} if left.records else {})}, leftovers)


def _hierarchy(left: Unfinished, hierarchy: Hierarchy) -> Hierarchy:
    for record in left.records:
        if record.step == "certificate":
            name = str(record.data.get("name"))
            certificate = x509.load_pem_x509_certificate(left.file(f"certificates/{name}.pem"))
            hierarchy = hierarchy.with_certificate(name, certificate)
        elif record.step == "crl":
            issuer = str(record.data.get("issuer"))
            hierarchy = hierarchy.with_crl(issuer, left.file(f"crls/{issuer}.crl"))
    return hierarchy


def _go_on(ceremony: Ceremony, left: Unfinished) -> None:
    last = left.records[-1].step if left.records else "nothing"
    ceremony.room.say(heading("RESUMED: this ceremony was interrupted"))
    ceremony.room.say(paragraph(f"The transcript has {len(left.records)} lines; the last one says: {last}."))
    if left.records and not ceremony.recorded("end"):
        ceremony.record(
            RESUMED,
            {
                "after": len(left.records),
                "torn_sha256": sha256_hex(left.torn) if left.torn else "",
                "removed": list(left.parts),
                "unrecorded": {name: sha256_hex(data) for name, data in ceremony.folder.leftovers.items()},
            },
        )
    perform(ceremony)
