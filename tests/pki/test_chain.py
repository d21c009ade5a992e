"""The path: leaf, intermediate, trusted root, each with its profile; which of them may sign what."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.chain import Use, VerifiedChain, verify_chain
from pki.errors import ToolkitError, TrustError
from pki.issue import issue_root
from pki.keys import KeySpec, generate_key
from pki.names import IntermediateRole
from pki.subjects import Subject
from pki.trust import Trust
from tests.pki.authority import DOMAIN, NOW, Authority, Signer
from tests.pki.mutation import mutate
from tests.pki.signatures import SECOND

AUTHORITY, OTHER = Authority.create(), Authority.create()
ROOT_KEY = AUTHORITY.root_ca.key
SIGNERS = {
    "organisation": AUTHORITY.organisation,
    "single-use": AUTHORITY.single_use,
    "listing": AUTHORITY.listing,
    "TSA": AUTHORITY.tsa,
}
ALLOWED = {
    ("organisation", Use.PACKAGE): IntermediateRole.PUBLISHER,
    ("single-use", Use.PACKAGE): IntermediateRole.REGISTRY,
    ("listing", Use.LISTING): IntermediateRole.REGISTRY,
    ("TSA", Use.TIMESTAMP): IntermediateRole.TIMESTAMP,
}
CODE, TIME = ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.TIME_STAMPING
EACH = pytest.mark.parametrize(("name", "use"), ALLOWED)


def verify(leaf: x509.Certificate, intermediate: x509.Certificate, use: Use, **trust: Any) -> VerifiedChain:
    words: dict[str, Any] = {"roots": (AUTHORITY.root,), "domain": DOMAIN}
    return verify_chain(leaf, intermediate, trust=Trust(**(words | trust)), use=use)


def refused(leaf: x509.Certificate, intermediate: x509.Certificate, use: Use, **trust: Any) -> str:
    with pytest.raises(ToolkitError) as refusal:
        verify(leaf, intermediate, use, **trust)
    assert isinstance(refusal.value, TrustError)
    return refusal.value.code


def changed_leaf(name: str, **changes: Any) -> tuple[x509.Certificate, x509.Certificate]:
    """Return a leaf that differs in one thing, signed by its issuer all the same, and that issuer."""
    signer = SIGNERS[name]
    return mutate(signer.leaf, AUTHORITY.issuer_of(signer.leaf).key, **changes), signer.intermediate


def changed_intermediate(name: str, **changes: Any) -> tuple[x509.Certificate, x509.Certificate]:
    """Return a good leaf and its intermediate, which differs in one thing, signed by the root all the same."""
    signer = SIGNERS[name]
    return signer.leaf, mutate(signer.intermediate, ROOT_KEY, **changes)


def extended(*usages: x509.ObjectIdentifier, critical: bool = False) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    return ((x509.ExtendedKeyUsage(list(usages)), critical),)


def named(*names: str | x509.GeneralName) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    uris = [x509.UniformResourceIdentifier(name) if isinstance(name, str) else name for name in names]
    return ((x509.SubjectAlternativeName(uris), False),)


# --- who may sign what ---------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("domain", [DOMAIN, None])
def test_path_is_verified(name: str, use: Use, domain: str | None) -> None:
    signer = SIGNERS[name]
    chain = verify(signer.leaf, signer.intermediate, use, domain=domain)

    assert (chain.leaf, chain.intermediate, chain.root) == (signer.leaf, signer.intermediate, AUTHORITY.root)
    assert chain.role is ALLOWED[name, use]
    assert chain.domain == (None if use is Use.TIMESTAMP else DOMAIN)
    assert (chain.uri is None) is (use is Use.TIMESTAMP)


@pytest.mark.parametrize(
    ("name", "use", "code"),
    [
        ("organisation", Use.LISTING, "PKI-NAME"),
        ("organisation", Use.TIMESTAMP, "PKI-EKU"),
        ("single-use", Use.LISTING, "PKI-NAME"),
        ("single-use", Use.TIMESTAMP, "PKI-EKU"),
        ("listing", Use.PACKAGE, "PKI-NAME"),
        ("listing", Use.TIMESTAMP, "PKI-EKU"),
        ("TSA", Use.PACKAGE, "PKI-EKU"),
        ("TSA", Use.LISTING, "PKI-EKU"),
    ],
)
def test_signer_of_one_thing_signs_nothing_else(name: str, use: Use, code: str) -> None:
    assert refused(SIGNERS[name].leaf, SIGNERS[name].intermediate, use) == code


# --- which root, which intermediate --------------------------------------------------------------------------------


@EACH
def test_stranger_is_refused(name: str, use: Use) -> None:
    signer = SIGNERS[name]
    assert refused(signer.leaf, signer.intermediate, use, roots=(OTHER.root,)) == "PKI-CHAIN"


@EACH
def test_intermediate_of_another_hierarchy_is_refused(name: str, use: Use) -> None:
    other = {
        "organisation": OTHER.organisation,
        "single-use": OTHER.single_use,
        "listing": OTHER.listing,
        "TSA": OTHER.tsa,
    }[name]
    assert refused(SIGNERS[name].leaf, other.intermediate, use) == "PKI-CHAIN"
    # The same names and another key: a leaf is issued by a key, not by a name.
    assert refused(SIGNERS[name].leaf, other.intermediate, use, roots=(OTHER.root,)) == "PKI-CHAIN"
    assert refused(other.leaf, SIGNERS[name].intermediate, use) == "PKI-CHAIN"


def test_one_of_several_roots_is_enough() -> None:
    signer = AUTHORITY.organisation
    for roots in ((OTHER.root, AUTHORITY.root), (AUTHORITY.root, OTHER.root)):
        assert verify(signer.leaf, signer.intermediate, Use.PACKAGE, roots=roots).root == AUTHORITY.root


def test_root_of_the_same_name_is_another_root() -> None:
    key = generate_key(KeySpec.P384)
    twin = issue_root(
        key, subject=Subject(common_name="Test Root R1", organization="Example Skills", country="SE"), at=NOW
    )
    signer = AUTHORITY.organisation
    assert twin.subject == AUTHORITY.root.subject
    assert refused(signer.leaf, signer.intermediate, Use.PACKAGE, roots=(twin,)) == "PKI-CHAIN"
    assert verify(signer.leaf, signer.intermediate, Use.PACKAGE, roots=(twin, AUTHORITY.root)).root == AUTHORITY.root


@EACH
def test_intermediates_of_other_places_are_refused(name: str, use: Use) -> None:
    for ca in (AUTHORITY.registry_ca, AUTHORITY.publisher_ca, AUTHORITY.timestamp_ca):
        if ca.certificate != SIGNERS[name].intermediate:
            assert refused(SIGNERS[name].leaf, ca.certificate, use) in {"PKI-CHAIN", "PKI-NAME", "PKI-EKU"}


@EACH
def test_root_is_no_intermediate(name: str, use: Use) -> None:
    signer = SIGNERS[name]
    assert refused(signer.leaf, AUTHORITY.root, use) == "PKI-PROFILE"
    direct = mutate(signer.leaf, ROOT_KEY, issuer=AUTHORITY.root.subject, replace=_issued_by(AUTHORITY.root))
    assert refused(direct, AUTHORITY.root, use) == "PKI-PROFILE"


@EACH
def test_intermediate_is_no_leaf(name: str, use: Use) -> None:
    signer = SIGNERS[name]
    assert refused(signer.intermediate, AUTHORITY.root, use) == "PKI-PROFILE"
    assert refused(signer.intermediate, signer.intermediate, use) == "PKI-CHAIN"


def test_leaf_is_no_intermediate() -> None:
    """The oldest hole of all: a leaf that signs certificates."""
    acme = AUTHORITY.organisation
    forged = mutate(AUTHORITY.organisation_leaf(namespace="victim").leaf, acme.key, issuer=acme.leaf.subject)
    assert refused(forged, acme.leaf, Use.PACKAGE) == "PKI-CHAIN"


def test_intermediate_of_an_intermediate_is_refused() -> None:
    publisher = AUTHORITY.publisher_ca
    key = generate_key(KeySpec.P384)
    below = mutate(
        publisher.certificate,
        publisher.key,
        issuer=publisher.certificate.subject,
        public_key=key.public_key(),
        replace=_issued_by(publisher.certificate),
    )
    leaf = mutate(AUTHORITY.organisation.leaf, key, issuer=below.subject)
    assert refused(leaf, below, Use.PACKAGE) == "PKI-CHAIN"


@EACH
def test_signature_by_another_key_is_refused(name: str, use: Use) -> None:
    signer, stranger = SIGNERS[name], generate_key(KeySpec.P384)
    assert refused(mutate(signer.leaf, stranger), signer.intermediate, use) == "PKI-CHAIN"
    assert refused(signer.leaf, mutate(signer.intermediate, stranger), use) == "PKI-CHAIN"


def _issued_by(issuer: x509.Certificate) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    ski = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return ((x509.AuthorityKeyIdentifier(ski, None, None), False),)


def test_names_of_strangers_are_shown_harmlessly() -> None:
    evil = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "\x1b[2J\nverified")])
    leaf, stranger = changed_intermediate("organisation", subject=evil, issuer=evil)
    with pytest.raises(TrustError) as refusal:
        verify(leaf, stranger, Use.PACKAGE)
    assert refusal.value.message.isprintable()
    assert "verified" in refusal.value.message


# --- profiles hold at verification too -----------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("usages", [(CODE, TIME), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), "other"])
def test_leaf_with_another_purpose_is_refused(name: str, use: Use, usages: Any) -> None:
    if usages == "other":
        usages = (CODE,) if use is Use.TIMESTAMP else (TIME,)
    leaf, intermediate = changed_leaf(name, replace=extended(*usages, critical=use is Use.TIMESTAMP))
    assert refused(leaf, intermediate, use) == "PKI-EKU"


@EACH
@pytest.mark.parametrize("usages", [(CODE, TIME), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), "other"])
def test_purpose_is_nested(name: str, use: Use, usages: Any) -> None:
    """General validators look at the leaf's extKeyUsage only; the intermediate must carry the same."""
    if usages == "other":
        usages = (CODE,) if use is Use.TIMESTAMP else (TIME,)
    leaf, intermediate = changed_intermediate(name, replace=extended(*usages))
    assert refused(leaf, intermediate, use) == "PKI-EKU"


@EACH
def test_certificates_without_a_purpose_are_refused(name: str, use: Use) -> None:
    assert refused(*changed_leaf(name, remove=(x509.ExtendedKeyUsage,)), use) == "PKI-PROFILE"
    assert refused(*changed_intermediate(name, remove=(x509.ExtendedKeyUsage,)), use) == "PKI-PROFILE"


def test_tsas_purpose_is_critical() -> None:
    assert refused(*changed_leaf("TSA", replace=extended(TIME)), Use.TIMESTAMP) == "PKI-PROFILE"


CONTENT_COMMITMENT = x509.KeyUsage(True, True, False, False, False, False, False, False, False)
CERT_SIGN = x509.KeyUsage(True, False, False, False, False, True, False, False, False)


@EACH
@pytest.mark.parametrize(
    "changes",
    [
        {"replace": ((x509.BasicConstraints(ca=True, path_length=0), True),)},
        {"replace": ((x509.BasicConstraints(ca=False, path_length=None), False),)},
        {"replace": ((CERT_SIGN, True),)},
        {"replace": ((CONTENT_COMMITMENT, True),)},
        {"replace": ((x509.OCSPNoCheck(), False),)},
        {"replace": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True),)},
        {"remove": (x509.KeyUsage,)},
        {"remove": (x509.SubjectKeyIdentifier,)},
        {"remove": (x509.CRLDistributionPoints,)},
        {"serial": 2**64 - 1},
        {"public_key": ec.generate_private_key(ec.SECP521R1()).public_key()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_leaf_that_differs_from_its_profile_is_refused(name: str, use: Use, changes: dict[str, Any]) -> None:
    assert refused(*changed_leaf(name, **changes), use) == "PKI-PROFILE"


@EACH
@pytest.mark.parametrize(
    "changes",
    [
        {"replace": ((x509.BasicConstraints(ca=True, path_length=None), True),)},
        {"replace": ((x509.BasicConstraints(ca=True, path_length=1), True),)},
        {"replace": ((x509.BasicConstraints(ca=False, path_length=None), True),)},
        {"replace": ((CERT_SIGN, True),)},
        {"replace": ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False),)},
        {"remove": (x509.CRLDistributionPoints,)},
        {"serial": 2**64 - 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_intermediate_that_differs_from_its_profile_is_refused(name: str, use: Use, changes: dict[str, Any]) -> None:
    assert refused(*changed_intermediate(name, **changes), use) == "PKI-PROFILE"


@EACH
def test_leaf_that_outlives_its_intermediate_is_refused(name: str, use: Use) -> None:
    signer = SIGNERS[name]
    end = signer.intermediate.not_valid_after_utc
    begin = end - (signer.leaf.not_valid_after_utc - signer.leaf.not_valid_before_utc)

    assert verify(*changed_leaf(name, not_before=begin, not_after=end), use).leaf.not_valid_after_utc == end
    later = changed_leaf(name, not_before=begin + SECOND, not_after=end + SECOND)
    assert refused(*later, use) == "PKI-CHAIN"


def test_intermediate_that_outlives_the_root_is_refused() -> None:
    end = AUTHORITY.root.not_valid_after_utc
    begin = end - (AUTHORITY.publisher_ca.certificate.not_valid_after_utc - NOW)

    longest = changed_intermediate("organisation", not_before=begin, not_after=end)
    assert verify(*longest, Use.PACKAGE).intermediate.not_valid_after_utc == end
    later = changed_intermediate("organisation", not_before=begin + SECOND, not_after=end + SECOND)
    assert refused(*later, Use.PACKAGE) == "PKI-CHAIN"


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("organisation", f"https://acme.users.{DOMAIN}/"),
        ("organisation", f"https://index.{DOMAIN}/"),
        ("organisation", "https://acme.orgs.other.example/"),
        ("single-use", f"https://jsmith.orgs.{DOMAIN}/"),
        ("single-use", "https://jsmith.users.other.example/"),
        ("single-use", f"https://other.users.{DOMAIN}/"),
        ("listing", f"https://acme.users.{DOMAIN}/"),
        ("listing", "https://index.other.example/"),
        ("organisation", f"https://ACME.orgs.{DOMAIN}/"),
        ("organisation", f"https://acme.orgs.{DOMAIN}"),
        ("organisation", f"https://acme.orgs.{DOMAIN}:443/"),
        ("organisation", f"https://acme.orgs.{DOMAIN}/x"),
        ("organisation", f"https://acme.orgs.{DOMAIN}/?"),
        ("organisation", f"https://acme@victim.orgs.{DOMAIN}/"),
        ("organisation", f"https://%61cme.orgs.{DOMAIN}/"),
        ("organisation", f"https://a.acme.orgs.{DOMAIN}/"),
        ("organisation", f"http://acme.orgs.{DOMAIN}/"),
        ("organisation", f"urn:acme.orgs.{DOMAIN}"),
    ],
)
def test_name_that_is_not_the_signers_is_refused(name: str, uri: str) -> None:
    use = Use.LISTING if name == "listing" else Use.PACKAGE
    assert refused(*changed_leaf(name, replace=named(uri)), use) == "PKI-NAME"


ACME_URI = f"https://acme.orgs.{DOMAIN}/"


@pytest.mark.parametrize(
    "names",
    [
        (ACME_URI, ACME_URI),
        (ACME_URI, f"https://victim.orgs.{DOMAIN}/"),
        (ACME_URI, x509.DNSName("acme.example")),
        (ACME_URI, x509.RFC822Name("a@acme.example")),
        (x509.DNSName(f"acme.orgs.{DOMAIN}"),),
        (),
    ],
    ids=["twice", "two", "and a host", "and a mailbox", "a host", "none"],
)
def test_anything_but_one_uri_is_refused(names: tuple[str | x509.GeneralName, ...]) -> None:
    assert refused(*changed_leaf("organisation", replace=named(*names)), Use.PACKAGE) == "PKI-NAME"


def test_leaf_without_a_name_is_refused() -> None:
    changed = changed_leaf("organisation", remove=(x509.SubjectAlternativeName,))
    assert refused(*changed, Use.PACKAGE) == "PKI-PROFILE"


@pytest.mark.parametrize("name", ["organisation", "single-use", "listing"])
def test_another_trust_domain_than_the_known_one_is_refused(name: str) -> None:
    signer: Signer = SIGNERS[name]
    use = Use.LISTING if name == "listing" else Use.PACKAGE
    assert refused(signer.leaf, signer.intermediate, use, domain="other.example") == "PKI-NAME"


def test_leaf_and_intermediate_have_one_trust_domain() -> None:
    """Where the domain is not known beforehand, the intermediate's decides."""
    changed = changed_leaf("organisation", replace=named("https://acme.orgs.other.example/"))
    assert refused(*changed, Use.PACKAGE, domain=None) == "PKI-NAME"


def constraints(*permitted: str, excluded: bool = True) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    good = AUTHORITY.publisher_ca.certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    subtrees = [x509.UniformResourceIdentifier(host) for host in permitted]
    return ((x509.NameConstraints(subtrees, good.excluded_subtrees if excluded else None), True),)


@pytest.mark.parametrize(
    "changed",
    [
        constraints(f".orgs.{DOMAIN}", f".users.{DOMAIN}"),
        constraints(f".users.{DOMAIN}"),
        constraints(f".{DOMAIN}"),
        constraints(f"acme.orgs.{DOMAIN}"),
        constraints(".orgs.UPPER.example"),
        constraints(f".orgs.{DOMAIN}", excluded=False),
    ],
)
def test_other_name_constraints_are_refused(changed: tuple[tuple[x509.ExtensionType, bool], ...]) -> None:
    assert refused(*changed_intermediate("organisation", replace=changed), Use.PACKAGE) == "PKI-NAME"


def test_signing_intermediate_without_name_constraints_is_refused() -> None:
    """It would look like a Timestamp Intermediate, whose purpose is another."""
    changed = changed_intermediate("organisation", remove=(x509.NameConstraints,))
    assert refused(*changed, Use.PACKAGE) == "PKI-EKU"
