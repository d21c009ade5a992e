"""A house with tokens, officers and plans, as a security officer would prepare them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pki.keys import KeySpec, PrivateKey, encode_public_key, generate_key
from tests.servers.softhsm import SoftHsm

PIN = "246813"
SO_PIN = "86421357"
SINCE = "2026-01-05T06:00:00Z"
"""Of a compromise."""


class _Serials(dict[str, str]):
    """Serial numbers of tokens, which are made at first use."""

    def __init__(self, make: Callable[[str], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, name: str) -> str:
        self[name] = self._make(name)
        return self[name]


@dataclass(slots=True)
class House:
    """Plans are written into ``folder``, ceremonies leave ``folder/NAME``.

    Attributes:
        hsm: Its tokens.
        folder: Where plans and results are.
        prefix: Of its tokens' labels, which share one SoftHSM with other tests.
    """

    hsm: SoftHsm
    folder: Path
    prefix: str
    officers: dict[str, PrivateKey] = field(default_factory=dict)
    serials: dict[str, str] = field(default_factory=dict)
    holds: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make officers; tokens are made when somebody asks for their serial number."""
        for name in ("ada", "bo", "cy"):
            self.officers[name] = generate_key(KeySpec.P256)
        self.serials = _Serials(self._make_token)
        self.holds = {name: [] for name in ("root", "online", "time", "tsa")}

    def _make_token(self, name: str) -> str:
        return self.hsm.init_token(f"{self.prefix} {name}", pin=PIN, so_pin=SO_PIN)

    def tokens(self, *names: str) -> str:
        """The plan's part about tokens."""
        lines = ["tokens:"]
        for name in names:
            lines.append(f"  {name}: {{module: {self.hsm.module}, serial: '{self.serials[name]}'")
            lines[-1] += f", holds: [{', '.join(self.holds[name])}]}}"
        return "\n".join(lines)

    def root(self) -> str:
        """A root plan."""
        return "\n".join(
            [
                *_head("root", "root-r1"),
                "trust_domain: skills.example",
                "base_url: http://registry.example",
                "tsa_policy: 1.3.6.1.4.1.99999.1",
                self.tokens("root"),
                "key: {token: root, label: root-r1, algorithm: P-384}",
                "subject: {common_name: Example Root R1, organization: Example, country: SE}",
                "crl_days: 180",
                "officers:",
                "  quorum: 2",
                "  members:",
                *(_officer(name, key) for name, key in self.officers.items()),
                "",
            ]
        )

    def intermediates(self, *, previous: str = "root") -> str:
        """A plan for three intermediates."""
        lines = [
            *_head("intermediate", "intermediates-1"),
            f"previous: [{previous}]",
            self.tokens("root", "online", "time"),
            "issuer: {token: root, label: root-r1}",
            "crl_days: 180",
            "intermediates:",
        ]
        for role, token in (("registry", "online"), ("publisher", "online"), ("timestamp", "time")):
            lines += [
                f"  - role: {role}",
                f"    subject: {{common_name: Example {role.title()} CA 1, organization: Example, country: SE}}",
                f"    key: {{token: {token}, label: {role}-1, algorithm: P-384}}",
            ]
        return "\n".join([*lines, ""])

    def listing_leaf(self, *, previous: str = "root, intermediate") -> str:
        """A plan for the listing leaf."""
        return "\n".join(
            [
                *_head("leaf", "leaf-listing"),
                f"previous: [{previous}]",
                self.tokens("online"),
                "issuer: {role: registry, token: online, label: registry-1}",
                "leaves:",
                "  - profile: listing",
                "    subject: {common_name: Example Index 1, organization: Example, country: SE}",
                "    key: {token: online, label: listing-1, algorithm: P-256}",
                "",
            ]
        )

    def tsa_leaf(self, *, previous: str = "root, intermediate") -> str:
        """A plan for the TSA leaf, and the Timestamp Intermediate's first CRL."""
        return "\n".join(
            [
                *_head("leaf", "leaf-tsa"),
                f"previous: [{previous}]",
                self.tokens("time", "tsa"),
                "issuer: {role: timestamp, token: time, label: timestamp-1}",
                "crl_days: 180",
                "leaves:",
                "  - profile: tsa",
                "    subject: {common_name: Example TSA 1, organization: Example, country: SE}",
                "    key: {token: tsa, label: tsa-1, algorithm: P-256}",
                "    days: 2000",
                "",
            ]
        )

    def crl(self, *, previous: str = "root, intermediate, tsa") -> str:
        """A plan for both offline CRLs anew."""
        return "\n".join(
            [
                *_head("crl", "crl-2"),
                f"previous: [{previous}]",
                self.tokens("root", "time"),
                "crls:",
                "  - {issuer: root, key: {token: root, label: root-r1}, crl_days: 180}",
                "  - {issuer: timestamp, key: {token: time, label: timestamp-1}, crl_days: 180}",
                "",
            ]
        )

    def revocation(self, *, role: str = "publisher", previous: str = "root, intermediate") -> str:
        """A plan that revokes an intermediate."""
        return "\n".join(
            [
                *_head("revoke-intermediate", "revoke-1"),
                f"previous: [{previous}]",
                self.tokens("root"),
                "issuer: {token: root, label: root-r1}",
                "crl_days: 180",
                "revoked:",
                f"  - {{role: {role}, reason: keyCompromise, since: '{SINCE}'}}",
                "",
            ]
        )

    def write(self, name: str, text: str) -> Path:
        """Write a plan."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path


def _head(kind: str, name: str) -> list[str]:
    return [
        "schema: 1",
        f"kind: {kind}",
        f"name: {name}",
        "clause: CPS 6.1.1",
        "custody: the PIN is split between two officers",
        "roles: {administrator: Ann Administrator, witness: Wim Witness}",
    ]


def _officer(name: str, key: PrivateKey) -> str:
    pem = encode_public_key(key.public_key()).decode("ascii").strip().replace("\n", "\n        ")
    return f"    - id: {name}\n      name: {name.title()} Officer\n      public_key: |\n        {pem}"
