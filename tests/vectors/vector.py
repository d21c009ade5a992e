"""One vector: as a file, and as what it says."""

from __future__ import annotations

import re
from base64 import b64decode, encodebytes
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent
ACCEPTED = "accepted"
_FORM = "%Y-%m-%dT%H:%M:%SZ"
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n([A-Za-z0-9+/=\n]*)-----END \1-----\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """What is judged, and what is expected.

    Attributes:
        fault: What is wrong.
        position: Where.
        expect: The code of the refusal, or :data:`ACCEPTED`.
        at: The moment of the judgement.
        domain: The trust domain.
        root: The trusted root.
        crls: The CRLs that are there.
        cms: The signature.
    """

    fault: str
    position: str
    expect: str
    at: datetime
    domain: str
    root: bytes
    crls: tuple[bytes, ...]
    cms: bytes

    @property
    def path(self) -> Path:
        """The file, named after the fault."""
        return FOLDER / f"{re.sub('[^a-z0-9]+', '-', self.fault.lower())}.txt"

    def encode(self) -> str:
        """Return the text of the file."""
        head = (
            f"fault: {self.fault}\nposition: {self.position}\nexpect: {self.expect}\n"
            f"at: {self.at.strftime(_FORM)}\ndomain: {self.domain}\n\n"
        )
        blocks = [("CERTIFICATE", self.root), *(("X509 CRL", crl) for crl in self.crls), ("CMS", self.cms)]
        return head + "".join(
            f"-----BEGIN {label}-----\n{encodebytes(der).decode()}-----END {label}-----\n" for label, der in blocks
        )


def read_vector(path: Path) -> Vector:
    """Return the vector of a file."""
    head, _, body = path.read_text(encoding="ascii").partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    blocks = [(label, b64decode(text)) for label, text in _BLOCK.findall(body)]
    (root,) = [der for label, der in blocks if label == "CERTIFICATE"]
    (cms,) = [der for label, der in blocks if label == "CMS"]
    return Vector(
        fault=fields["fault"],
        position=fields["position"],
        expect=fields["expect"],
        at=datetime.strptime(fields["at"], _FORM).replace(tzinfo=UTC),
        domain=fields["domain"],
        root=root,
        crls=tuple(der for label, der in blocks if label == "X509 CRL"),
        cms=cms,
    )
