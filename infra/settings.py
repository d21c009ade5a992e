"""The settings of a deployment: one frozen value, built once from the stack's configuration and the environment.

Rules:
    * Each setting has one name: ``skreg:NAME`` in ``Pulumi.STACK.yaml``, ``SKREG_INFRA_NAME`` in the environment. Both
      at once are refused: nobody should have to guess which one won.
    * A missing setting, a malformed one, or an unknown one of these two prefixes stops the program (``INF-SETTING``).
    * No setting holds a secret: keys are made where they stay, and files with secrets are put into the provider's
      secret store by hand (``infra/README.md``).

The table of all settings is in ``infra/README.md``; a test holds it against ``KNOWN``.

Example::

    settings = Settings.load({"skreg:domain": "skills.example"}, os.environ)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from infra.errors import InfraError
from infra.profiles import PROFILES, Profile

NAMESPACE = "skreg:"
PREFIX = "SKREG_INFRA_"

_HOST = r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
_DIGEST = r"sha256:[0-9a-f]{64}"
_NUMBER = r"[1-9][0-9]{0,6}"

_PATTERNS = {
    "provider": ("aws", r"aws"),
    "profile": (" or ".join(sorted(PROFILES)), "|".join(sorted(PROFILES))),
    "region": ("a region such as eu-north-1", r"[a-z]{2}(?:-[a-z]+)+-[0-9]"),
    "domain": ("the registry's host name", _HOST),
    "zone": ("the name of a DNS zone that is there", _HOST),
    "timestamp_policy": ("an object identifier", r"[0-2](?:\.(?:0|[1-9][0-9]{0,38})){1,20}"),
    "shards": ("a number from 1 to 256", r"[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-6]"),
    "alarm_email": ("an address", r"[^\s@,;<>]{1,64}@" + _HOST),
    "monthly_budget": ("whole US dollars", _NUMBER),
    "image": ("a digest sha256:...", _DIGEST),
    "scanner_image": ("a digest sha256:...", _DIGEST),
}

KNOWN = frozenset(_PATTERNS)
"""Every setting."""

DEFAULTS = {"provider": "aws", "profile": "small", "shards": "16"}
OPTIONAL = frozenset({"image", "scanner_image"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The container images to run, by digest.

    Attributes:
        programs: The image with all programs of this project.
        scanner: The image with clamd and its signatures.
    """

    programs: str
    scanner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a deployment needs to know.

    Attributes:
        provider: Whose cloud.
        profile: How big.
        region: Where.
        domain: The registry's host name.
        zone: The DNS zone that holds it.
        timestamp_policy: OID of the TSA policy, from the root ceremony's plan.
        shards: CRL shards of the online intermediates; never changed later.
        alarm_email: Who is told.
        monthly_budget: US dollars a month after which somebody is told.
        images: What to run; ``None`` for the first step, which makes everything that comes before: network, database,
            store, keys, and the place that images are pushed to.
    """

    provider: str
    profile: Profile
    region: str
    domain: str
    zone: str
    timestamp_policy: str
    shards: int
    alarm_email: str
    monthly_budget: int
    images: Images | None

    @classmethod
    def load(cls, config: Mapping[str, str], environ: Mapping[str, str]) -> Self:
        """Read the settings.

        Args:
            config: The stack's configuration, with full keys such as ``skreg:domain``; other namespaces are ignored.
            environ: The environment.

        Raises:
            InfraError: one is missing, malformed, unknown or there twice (``INF-SETTING``).
        """
        values = _values(config, environ)
        domain, zone = values["domain"], values["zone"]
        if domain != zone and not domain.endswith(f".{zone}"):
            raise _wrong("domain", f"a name in the zone {zone}", domain)
        return cls(
            provider=values["provider"],
            profile=PROFILES[values["profile"]],
            region=values["region"],
            domain=domain,
            zone=zone,
            timestamp_policy=values["timestamp_policy"],
            shards=int(values["shards"]),
            alarm_email=values["alarm_email"],
            monthly_budget=int(values["monthly_budget"]),
            images=_images(values),
        )


def _values(config: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    stack = {key.removeprefix(NAMESPACE): value for key, value in config.items() if key.startswith(NAMESPACE)}
    shell = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    for name in sorted({*stack, *shell} - KNOWN):
        raise _wrong(name, f"one of {', '.join(sorted(KNOWN))}", "an unknown setting")
    for name in sorted({*stack} & {*shell}):
        raise _wrong(name, "one source", f"both {NAMESPACE}{name} and {PREFIX}{name.upper()}")
    values = {**DEFAULTS, **stack, **shell}
    for name, (expected, pattern) in _PATTERNS.items():
        if name not in values and name not in OPTIONAL:
            raise _wrong(name, expected, "none")
        if name in values and not re.fullmatch(pattern, values[name]):
            raise _wrong(name, expected, repr(values[name][:80]))
    return values


def _images(values: Mapping[str, str]) -> Images | None:
    given = [name for name in sorted(OPTIONAL) if name in values]
    if not given:
        return None
    if len(given) < len(OPTIONAL):
        raise _wrong("image and scanner_image", "both or neither", f"only {given[0]}")
    return Images(programs=values["image"], scanner=values["scanner_image"])


def _wrong(name: str, expected: str, got: str) -> InfraError:
    return InfraError(
        f"setting {name} - expected {expected} - got {got}",
        code="INF-SETTING",
        hint=f"pulumi config set {NAMESPACE}NAME VALUE; infra/README.md lists all",
    )
