"""A package as a whole: the one verification accepts what was signed, byte for byte, and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from pki.errors import MalformedError, PolicyError, ToolkitError, TrustError
from pki.names import Tier
from skillpkg.archive import PayloadFile, read_archive, write_archive
from skillpkg.names import Namespace, PackageRef, Version
from skillpkg.package import (
    VerifiedPackage,
    assemble_sealed,
    check_files,
    pack,
    read_unsigned_package,
    seal,
    signature_of,
    verify_package,
    verify_statement,
)
from tests.pki.authority import NOW, Authority
from tests.skillpkg.skills import MINUTE, NAMESPACE, VERSION, sample_files, sealed, unsigned

AT = NOW + 10 * MINUTE
USER = Namespace("jsmith")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create()


def verified(
    authority: Authority, data: bytes, *, expected: str | None = None, tier: Tier | None = None
) -> VerifiedPackage:
    """Verify with the CRLs of now."""
    ref = PackageRef.parse(expected) if expected else None
    return verify_package(data, trust=authority.trust, crls=authority.crl_set(AT), at=AT, expected=ref, tier=tier)


def refusal(
    authority: Authority, data: bytes, *, expected: str | None = None, tier: Tier | None = None
) -> ToolkitError:
    """The error with which a package is refused."""
    with pytest.raises(ToolkitError) as caught:
        verified(authority, data, expected=expected, tier=tier)
    return caught.value


def test_packing_twice_gives_the_same_bytes() -> None:
    files = sample_files("meeting-minutes")
    assert pack(files, namespace=NAMESPACE, version=VERSION) == pack(files[::-1], namespace=NAMESPACE, version=VERSION)


def test_packing_takes_version_and_author_from_skill_md() -> None:
    manifest = read_unsigned_package(pack(sample_files("release-notes"), namespace=NAMESPACE)).manifest
    assert (manifest.version, manifest.author, manifest.license) == ("1.0.0", "Skreg samples", "Apache-2.0")


def test_packing_without_a_version_is_refused() -> None:
    skill = PayloadFile(path="SKILL.md", mode=0o644, data=b"---\nname: x\ndescription: y\n---\n")
    with pytest.raises(MalformedError) as caught:
        pack([skill], namespace=NAMESPACE)
    assert caught.value.code == "PKG-VERSION"


def test_packing_without_skill_md_is_refused() -> None:
    with pytest.raises(MalformedError) as caught:
        pack([PayloadFile(path="x", mode=0o644, data=b"")], namespace=NAMESPACE, version=VERSION)
    assert caught.value.code == "PKG-PATH"


def test_an_organisations_package_is_verified(authority: Authority) -> None:
    data = sealed(authority, unsigned(), stamped_at=NOW + MINUTE)
    package = verified(authority, data, expected="acme/tidy-csv@1.0.0", tier=Tier.ORGANISATION)
    assert package.signature.signer.organisation == "Acme Ltd"
    assert package.signature.time is not None
    assert package.signature.time.gen_time == NOW + MINUTE
    assert package.sha256 == hashlib.sha256(data).hexdigest()
    assert [file.path for file in package.files] == ["SKILL.md", "scripts/tidy.py"]


def test_an_individuals_package_is_verified_long_after_its_leaf_expired(authority: Authority) -> None:
    at = NOW + timedelta(days=300)
    data = sealed(authority, unsigned(namespace=USER), signer=authority.single_use, stamped_at=NOW + MINUTE)
    package = verify_package(data, trust=authority.trust, crls=authority.crl_set(at), at=at, tier=Tier.REGISTRY)
    assert package.signature.signer.namespace == "jsmith"
    assert package.signature.signer.organisation is None


def test_the_signature_alone_tells_the_manifest(authority: Authority) -> None:
    data = sealed(authority, unsigned(), stamped_at=NOW + MINUTE)
    found = verify_statement(signature_of(data), trust=authority.trust, crls=authority.crl_set(AT), at=AT)
    assert found.manifest.ref == PackageRef.parse("acme/tidy-csv@1.0.0")


def test_an_unsigned_package_is_not_trusted(authority: Authority) -> None:
    error = refusal(authority, unsigned())
    assert isinstance(error, TrustError)
    assert error.code == "PKG-UNSIGNED"


def test_a_signed_package_is_not_taken_as_unsigned(authority: Authority) -> None:
    with pytest.raises(PolicyError) as caught:
        read_unsigned_package(sealed(authority, unsigned()))
    assert caught.value.code == "PKG-SIGNED"


def test_acme_cannot_sign_for_jsmith(authority: Authority) -> None:
    error = refusal(authority, sealed(authority, unsigned(namespace=USER), stamped_at=NOW + MINUTE))
    assert isinstance(error, TrustError)
    assert error.code == "PKG-NAMESPACE"


def test_a_listing_leaf_cannot_sign_a_package(authority: Authority) -> None:
    error = refusal(authority, sealed(authority, unsigned(), signer=authority.listing))
    assert isinstance(error, TrustError)
    assert error.code in {"PKI-NAME", "PKI-PROFILE"}


@pytest.mark.parametrize("expected", ["acme/tidy-csv@1.0.1", "acme/other", "other/tidy-csv"])
def test_another_package_than_the_one_asked_for_is_refused(authority: Authority, expected: str) -> None:
    error = refusal(authority, sealed(authority, unsigned()), expected=expected)
    assert isinstance(error, TrustError)
    assert error.code == "PKG-OTHER"


def test_another_tier_than_the_one_asked_for_is_refused(authority: Authority) -> None:
    error = refusal(authority, sealed(authority, unsigned()), tier=Tier.REGISTRY)
    assert isinstance(error, TrustError)
    assert error.code == "PKG-TIER"


def test_a_changed_file_is_refused(authority: Authority) -> None:
    archive = read_archive(sealed(authority, unsigned()))
    last = archive.files[-1]
    data = bytearray(last.data)
    data[0] ^= 1
    forged = write_archive(archive.manifest_json, (*archive.files[:-1], replace(last, data=bytes(data))))
    error = refusal(authority, forged)
    assert isinstance(error, TrustError)
    assert error.code == "PKG-DIGEST"


def test_an_added_file_is_refused(authority: Authority) -> None:
    archive = read_archive(sealed(authority, unsigned()))
    forged = write_archive(archive.manifest_json, (*archive.files, PayloadFile(path="z", mode=0o644, data=b"")))
    error = refusal(authority, forged)
    assert isinstance(error, TrustError)
    assert error.code == "PKG-SIZE"


def test_a_file_that_may_now_be_run_is_refused(authority: Authority) -> None:
    archive = read_archive(sealed(authority, unsigned()))
    forged = write_archive(archive.manifest_json, (replace(archive.files[0], mode=0o755), *archive.files[1:]))
    error = refusal(authority, forged)
    assert isinstance(error, TrustError)
    assert error.code == "PKG-DIGEST"


def test_a_changed_statement_is_refused(authority: Authority) -> None:
    archive = read_archive(sealed(authority, unsigned()))
    forged = write_archive(archive.manifest_json.replace(b'"1.0.0"', b'"1.0.1"'), archive.files)
    assert refusal(authority, forged).code == "PKG-SEAL"


def test_a_signature_of_another_package_is_refused(authority: Authority) -> None:
    package = read_unsigned_package(unsigned("release-notes"))
    with pytest.raises(MalformedError) as caught:
        seal(package, signature_of(sealed(authority, unsigned())))
    assert caught.value.code == "PKG-SEAL"


def test_a_changed_byte_anywhere_is_refused_or_changes_nothing(authority: Authority) -> None:
    data = sealed(authority, unsigned("release-notes"), stamped_at=NOW + MINUTE)
    original = verified(authority, data)
    crls = authority.crl_set(AT)
    accepted = 0
    for at in range(0, len(data), 11):
        forged = bytearray(data)
        forged[at] ^= 0x10
        try:
            package = verify_package(bytes(forged), trust=authority.trust, crls=crls, at=AT)
        except ToolkitError:
            continue
        accepted += 1
        assert package.manifest == original.manifest
        assert package.cms == original.cms
    # Deflate's last octet has unused bits.
    assert accepted <= 2


def test_sealing_keeps_what_the_publisher_made(authority: Authority) -> None:
    data = unsigned()
    signed = sealed(authority, data, stamped_at=NOW + MINUTE)
    cms = signature_of(signed)
    assert assemble_sealed(data, cms) == assemble_sealed(signed, cms) == signed
    assert read_archive(signed).payload == read_archive(data).payload


def test_files_on_disk_are_compared_with_the_manifest(authority: Authority) -> None:
    package = verified(authority, sealed(authority, unsigned()))
    check_files(package.manifest, package.files)
    for files in (package.files[1:], (*package.files, package.files[0])):
        with pytest.raises(TrustError) as caught:
            check_files(package.manifest, files)
        assert caught.value.code == "PKG-FILES"


def test_a_package_of_another_root_is_refused(authority: Authority) -> None:
    other = Authority.create()
    error = refusal(authority, sealed(other, unsigned()))
    assert isinstance(error, TrustError)
    assert error.code == "PKI-CHAIN"


def test_versions_are_part_of_the_name(authority: Authority) -> None:
    data = sealed(authority, unsigned(version=Version("2.0.0-rc.1")))
    assert verified(authority, data, expected="acme/tidy-csv@2.0.0-rc.1").manifest.version == "2.0.0-rc.1"
