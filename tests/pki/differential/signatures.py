"""The faults of signatures and tokens themselves, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random

from pki.der import INTEGER, OCTET_STRING, SEQUENCE, encode
from pki.timestamp import TstInfo, build_query, parse_query
from tests.pki.differential.certificate_faults import STRANGER_P256, indefinite, long_length
from tests.pki.differential.fault import Fault
from tests.pki.differential.scene import AT, DATA, GEN_TIME, Cms, Position, Scene, attribute, certificates_attribute
from tests.pki.signatures import NONCE, POLICY, SECOND

SHA384 = bytes.fromhex("300b0609608648016503040202")
ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
SIGNING_TIME = bytes.fromhex("06092a864886f70d010905")
UNKNOWN = bytes.fromhex("06072b0601040186 8d1f".replace(" ", ""))
MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
BOTH = (Position.SIGNATURE, Position.TOKEN)

ChangeWith = Callable[[Cms, Scene, Random], None]


def changed(name: str, change: ChangeWith) -> Fault:
    """Return the fault of a changed part, in the signature or the token."""

    def apply(scene: Scene, position: Position, rng: Random) -> None:
        if position is Position.TOKEN:
            scene.change_token = lambda cms: change(cms, scene, rng)
        else:
            scene.change_cms = lambda cms: change(cms, scene, rng)

    return Fault(name=name, positions=BOTH, apply=apply)


def rewritten(name: str, rewrite: Callable[[bytes, Random], bytes]) -> Fault:
    """Return the fault of other bytes."""

    def apply(scene: Scene, position: Position, rng: Random) -> None:
        if position is Position.TOKEN:
            scene.rewrite_token = lambda der: rewrite(der, rng)
        else:
            scene.rewrite_cms = lambda der: rewrite(der, rng)

    return Fault(name=name, positions=BOTH, apply=apply)


def stated(name: str, change: Callable[[TstInfo, Random], TstInfo]) -> Fault:
    """Return the fault of something else stated in a token."""

    def apply(scene: Scene, _position: Position, rng: Random) -> None:
        asked = parse_query(build_query(b"", nonce=NONCE))
        info = TstInfo(
            policy=POLICY,
            imprint=asked.imprint,
            digest=asked.digest,
            serial=7,
            gen_time=GEN_TIME,
            accuracy=SECOND,
            nonce=NONCE,
        )
        scene.info = change(info, rng)

    return Fault(name=name, positions=(Position.TOKEN,), apply=apply)


def _set(**values: object) -> ChangeWith:
    def change(cms: Cms, _scene: Scene, _rng: Random) -> None:
        for name, value in values.items():
            setattr(cms, name, value)

    return change


def _without(name: str) -> ChangeWith:
    return lambda cms, _scene, _rng: cms.attributes.__delitem__(name)


def _add(name: str, value: bytes) -> ChangeWith:
    return lambda cms, _scene, _rng: cms.attributes.__setitem__(name, value)


def _flip(cms: Cms, _scene: Scene, rng: Random) -> None:
    cms.flip = rng.randrange(250)


def _content(cms: Cms, _scene: Scene, rng: Random) -> None:
    """Change the content after it was signed."""
    place = len(cms.content) - 1 - rng.randrange(4)
    cms.content = cms.content[:place] + bytes((cms.content[place] ^ 1,)) + cms.content[place + 1 :]


def _other_certificates(cms: Cms, scene: Scene, _rng: Random) -> None:
    cms.attributes["signingCertificateV2"] = certificates_attribute(scene.parts[Position.ROOT], cms.certificates[1])


def _alone(cms: Cms, _scene: Scene, _rng: Random) -> None:
    del cms.certificates[1]


def _root_beside(cms: Cms, scene: Scene, _rng: Random) -> None:
    cms.certificates.append(scene.parts[Position.ROOT])


def _leaf_twice(cms: Cms, _scene: Scene, _rng: Random) -> None:
    cms.certificates.append(cms.certificates[0])


def _unsigned(cms: Cms, _scene: Scene, _rng: Random) -> None:
    cms.unsigned.append(attribute(UNKNOWN, encode(OCTET_STRING, b"x")))


def signature_faults() -> Iterator[Fault]:
    """Yield every fault of a signature or a token."""
    time = attribute(SIGNING_TIME, b"\x17\x0d261124120000Z")
    yield changed("CMS signature: a bit flipped", _flip)
    yield changed("CMS signature: by a stranger", _set(key=STRANGER_P256))
    yield changed("CMS signature: the higher value", _set(high=True))
    yield changed("CMS content: changed", _content)
    yield changed("CMS content: detached", _set(detached=True))
    yield changed(
        "CMS digest: another", _add("messageDigest", attribute(MESSAGE_DIGEST, encode(OCTET_STRING, b"\x07" * 32)))
    )
    for name in ("contentType", "messageDigest", "signingCertificateV2", "cmsAlgorithmProtection"):
        yield changed(f"CMS attribute: no {name}", _without(name))
    yield changed("CMS attribute: signingTime", _add("signingTime", time))
    yield changed("CMS attribute: unknown", _add("unknown", attribute(UNKNOWN, encode(OCTET_STRING, b"x"))))
    yield changed("CMS attribute: unsigned", _unsigned)
    yield changed("CMS attribute: other certificates", _other_certificates)
    yield changed("CMS algorithm: another digest", _set(digest=SHA384))
    yield changed("CMS algorithm: another signature", _set(algorithm=ECDSA_SHA384))
    yield changed("CMS version: another", _set(version=5))
    yield changed("CMS certificates: the leaf alone", _alone)
    yield changed("CMS certificates: the root, too", _root_beside)
    yield changed("CMS certificates: the leaf twice", _leaf_twice)
    yield changed("CMS signers: two", _set(signers=2))
    yield changed("CMS signers: none", _set(signers=0))
    yield rewritten("CMS encoding: bytes behind", lambda der, rng: der + rng.randbytes(3))
    yield rewritten("CMS encoding: cut short", lambda der, rng: der[: -rng.randint(1, 30)])
    yield rewritten("CMS encoding: indefinite length", indefinite)
    yield rewritten("CMS encoding: length with a needless octet", long_length)
    yield rewritten(
        "CMS encoding: something else", lambda _der, rng: encode(SEQUENCE, encode(INTEGER, rng.randbytes(4)))
    )
    yield from _tokens()


def _tokens() -> Iterator[Fault]:
    def other_message(scene: Scene, _position: Position, rng: Random) -> None:
        scene.imprint_of = rng.randbytes(9)

    def data(scene: Scene, _position: Position, _rng: Random) -> None:
        def change(cms: Cms) -> None:
            cms.content_type = DATA

        scene.change_token = change

    yield Fault(name="timestamp: over something else", positions=(Position.TOKEN,), apply=other_message)
    yield Fault(name="timestamp: not a TSTInfo", positions=(Position.TOKEN,), apply=data)
    yield stated(
        "timestamp: of the future", lambda info, r: replace(info, gen_time=AT + timedelta(minutes=r.randint(6, 600)))
    )
    yield stated(
        "timestamp: before the certificates",
        lambda info, r: replace(info, gen_time=GEN_TIME - timedelta(hours=r.randint(1, 600))),
    )
    yield stated(
        "timestamp: accurate to days",
        lambda info, r: replace(info, accuracy=timedelta(days=r.randint(1, 9))),
    )
