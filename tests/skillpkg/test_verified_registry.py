"""A hostile server over HTTP: nothing it sends is taken for something else, and what was seen is not forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from pki.errors import ToolkitError, TrustError
from pki.names import Tier
from skillpkg.config import Config, Settings, unconfigured
from skillpkg.names import PackageRef
from skillpkg.session import Freshness, Session
from skillpkg.verified_registry import VerifiedRegistry
from tests.fakes.http_registry import HttpRegistry
from tests.fakes.loopback import Answer
from tests.fakes.static_registry import StaticRegistry, now, skill

NOTES, POEMS = PackageRef.parse("acme/notes"), PackageRef.parse("jsmith/poems")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """A registry over HTTP with a skill of each tier, and who asks it."""

    online: HttpRegistry
    home: Path

    def source(self, *, offline: bool = False, later: timedelta = timedelta(0)) -> VerifiedRegistry:
        settings = Settings.from_env({"HOME": str(self.home), "SKREG_ROOT": str(self.online.static.root)})
        session = Session(settings=settings, config=Config(), at=now() + later, say=lambda _: None)
        return session.verified_registry(unconfigured(self.online.url), root=None, freshness=Freshness(offline=offline))

    def refusal(self, ref: PackageRef = NOTES, **more: object) -> str:
        with pytest.raises(ToolkitError) as caught:
            self.source().fetch(ref, **more)  # type: ignore[arg-type]  # arguments by name
        return caught.value.code

    def path_of(self, kind: str, ref: str = "acme/notes/1.0.0") -> str:
        (file,) = (self.online.static.folder / "packages" / ref).glob(f"*.{kind}")
        return f"/{file.relative_to(self.online.static.folder)}"


@pytest.fixture
def estate(registry: StaticRegistry, tmp_path: Path) -> Iterator[Estate]:
    """Everything in order."""
    with HttpRegistry(registry) as online:
        registry.publish(skill("notes"), namespace="acme", version="1.0.0")
        registry.publish(skill("poems"), namespace="jsmith", version="1.0.0")
        yield Estate(online=online, home=tmp_path / "home")


def test_a_version_comes_verified_and_again_without_the_network(estate: Estate) -> None:
    fetched = estate.source().fetch(NOTES, tier=Tier.ORGANISATION)
    assert str(fetched.package.manifest.ref) == "acme/notes@1.0.0"
    asked = len(estate.online.server.asked)
    again = estate.source(offline=True).fetch(NOTES)
    assert (again.listed, len(estate.online.server.asked)) == (fetched.listed, asked)


def test_a_package_is_fetched_once_its_listing_every_time(estate: Estate) -> None:
    estate.source().fetch(NOTES)
    first = len(estate.online.server.asked)
    estate.source().fetch(NOTES)
    assert [asked.path.split("/")[1] for asked in estate.online.server.asked[first:]] == ["index", "packages"]


@pytest.mark.parametrize(
    ("kind", "answer", "codes"),
    [
        ("index", Answer(status=404), {"LST-NO-PACKAGE"}),
        ("index", Answer(status=503), {"NET-SERVER"}),
        ("index", Answer(status=204), {"NET-STATUS"}),
        ("index", Answer(body=b""), {"CMS-FORM"}),
        ("index", Answer(body=b"<html>", content_type="text/html"), {"NET-TYPE"}),
        ("index", Answer(body=b"\x30\x80" + bytes(500)), {"CMS-FORM"}),
        ("sig", Answer(status=404), {"NET-NOT-FOUND"}),
        ("sig", Answer(body=b""), {"CMS-FORM"}),
        ("skill", Answer(status=404), {"NET-NOT-FOUND"}),
        ("skill", Answer(body=b""), {"PKG-ARCHIVE"}),
        ("skill", Answer(body=b"x" * 100_000), {"NET-TOO-LARGE"}),
        ("skill", Answer(body=b"x" * 100, declared=99), {"PKG-ARCHIVE"}),
        ("skill", Answer(body=b"x", headers={"Content-Encoding": "gzip"}), {"NET-ENCODING"}),
        ("skill", Answer(status=302, headers={"Location": "https://cdn.example/x"}), {"NET-REDIRECT"}),
    ],
)
def test_a_bad_answer_is_refused_and_not_remembered(estate: Estate, kind: str, answer: Answer, codes: set[str]) -> None:
    path = "/index/acme/notes" if kind == "index" else estate.path_of(kind)
    estate.online.server.answer(path, answer)
    assert estate.refusal() in codes
    estate.online.server.answer(path, Answer(body=(estate.online.static.folder / path[1:]).read_bytes()))
    assert str(estate.source().fetch(NOTES).package.manifest.ref) == "acme/notes@1.0.0"


@pytest.mark.parametrize("kind", ["sig", "skill"])
def test_the_file_of_another_package_is_refused(estate: Estate, kind: str) -> None:
    other = (estate.online.static.folder / estate.path_of(kind, "jsmith/poems/1.0.0")[1:]).read_bytes()
    estate.online.server.answer(estate.path_of(kind), Answer(body=other))
    assert estate.refusal() in {"PKG-NAMESPACE", "PKG-TIER", "PKG-OTHER", "PKG-ARCHIVE", "NET-TOO-LARGE"}


def test_a_signature_over_the_same_name_with_other_files_is_refused(estate: Estate) -> None:
    static = estate.online.static
    other = static.seal(skill("notes", words="Not listed."), namespace="acme", version="1.0.0")
    from skillpkg.package import signature_of

    estate.online.server.answer(estate.path_of("sig"), Answer(body=signature_of(other)))
    assert estate.refusal() == "PKG-STATEMENT"


def test_a_package_for_a_listing_is_refused(estate: Estate) -> None:
    signature = (estate.online.static.folder / estate.path_of("sig")[1:]).read_bytes()
    estate.online.server.answer("/index/acme/notes", Answer(body=signature))
    assert estate.refusal().startswith("PKI-")


def test_a_demanded_tier_is_refused_before_anything_is_fetched(estate: Estate) -> None:
    assert estate.refusal(POEMS, tier=Tier.ORGANISATION) == "PKG-TIER"
    assert all(asked.path.startswith(("/index/", "/pki/")) for asked in estate.online.server.asked)


def test_an_older_listing_is_asked_for_again_past_caches(estate: Estate) -> None:
    static = estate.online.static
    older = (static.folder / "index/acme/notes").read_bytes()
    static.publish(skill("notes", words="Newer."), namespace="acme", version="1.1.0")
    newer = (static.folder / "index/acme/notes").read_bytes()
    estate.source().fetch(NOTES)
    estate.online.server.answer("/index/acme/notes", Answer(body=older), Answer(body=newer))
    assert str(estate.source().fetch(NOTES).listed.version) == "1.1.0"
    assert estate.online.server.asked[-2].headers.get("Cache-Control") == "no-cache"


def test_the_clock_going_back_is_noticed(estate: Estate) -> None:
    estate.source().fetch(NOTES)
    with pytest.raises(TrustError) as caught:
        estate.source(later=timedelta(minutes=-10)).fetch(NOTES)
    assert caught.value.code == "PKI-CLOCK"


def spoil(text: bytes) -> bytes:
    return text[:-1] + bytes([text[-1] ^ 1])


@pytest.mark.parametrize("change", [spoil, lambda text: text[:-1], lambda text: text + b"\0", lambda _: b""])
@pytest.mark.parametrize("kind", ["listing", "signature", "package", "crl"])
def test_copies_that_were_changed_are_never_believed(
    estate: Estate, kind: str, change: Callable[[bytes], bytes]
) -> None:
    estate.source().fetch(NOTES)
    changed = [file for file in (estate.home / ".cache/skreg" / kind).rglob("*") if file.is_file()]
    assert changed != []
    for file in changed:
        file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ToolkitError) as caught:
        estate.source(offline=True).fetch(NOTES)
    assert caught.value.code.split("-")[0] in {"CMS", "PKI", "CLI", "CRL", "KEY", "TSP"}


def test_an_unsigned_crl_is_refused_and_does_not_stay(estate: Estate) -> None:
    static = estate.online.static
    address = static.authority.address_of(static.authority.organisation.leaf)
    path = f"/pki/crl/{address.path}.crl"
    estate.online.server.answer(path, Answer(body=spoil((static.folder / path[1:]).read_bytes())))
    assert estate.refusal() == "PKI-CRL-SIGNATURE"
    estate.online.server.answer(path, Answer(body=(static.folder / path[1:]).read_bytes()))
    assert str(estate.source().fetch(NOTES).package.manifest.ref) == "acme/notes@1.0.0"


def test_offline_without_copies_is_not_found(estate: Estate) -> None:
    with pytest.raises(ToolkitError) as caught:
        estate.source(offline=True).fetch(NOTES)
    assert (caught.value.code, estate.online.server.asked) == ("CLI-OFFLINE", [])


def test_another_identity_than_the_listings_is_refused(estate: Estate) -> None:
    with pytest.raises(TrustError) as caught:
        replace(estate.source(), identity="https://other.example").fetch(NOTES)
    assert caught.value.code == "LST-REGISTRY"
