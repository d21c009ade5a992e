"""Extensions of a certificate: building those of a profile, and checking that exactly those are there.

Rules:
    * The set of (extension, criticality) equals the profile's; one more, one less or a duplicate is a finding.
    * Each value is compared as a whole, never only the part that matters today.
    * Names are checked here: permitted hosts of an intermediate, the one URI of a leaf.

Left to others: fields outside the extensions (:mod:`pki.profiles`), the issuer's own values (``check_link``).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

from pki.addresses import parse_ca_url, parse_crl_url
from pki.certificate_profile import AlternativeName, CertificateProfile
from pki.errors import MalformedError, PolicyError
from pki.findings import Finding
from pki.keys import PublicKey, key_identifier, require_public_key
from pki.names import (
    IntermediateRole,
    Tier,
    TrustDomain,
    listing_uri,
    parse_package_uri,
    parse_permitted_hosts,
    permitted_hosts,
)
from pki.unreadable import UNREADABLE

# What no leaf below an intermediate may be named: any DNS name and any address. (RFC 822 names cannot be excluded
# with this library; a leaf's profile leaves them no place.)
EXCLUDED: tuple[x509.GeneralName, ...] = (
    x509.DNSName(""),
    x509.IPAddress(IPv4Network("0.0.0.0/0")),
    x509.IPAddress(IPv6Network("::/0")),
)
_CONSTRAINED = (IntermediateRole.REGISTRY, IntermediateRole.PUBLISHER)
_LABELS = {AlternativeName.ORGANISATION: Tier.ORGANISATION, AlternativeName.USER: Tier.REGISTRY}


def build_extensions(
    profile: CertificateProfile,
    *,
    public_key: PublicKey,
    issuer_ski: bytes,
    domain: str | None,
    uri: str | None,
    crl_url: str | None,
    ca_url: str | None,
) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    """Return the extensions of a profile with their criticality, in a fixed order.

    Args:
        profile: Which kind of certificate.
        public_key: The certified key.
        issuer_ski: The issuer's subjectKeyIdentifier.
        domain: The trust domain, for an intermediate with name constraints.
        uri: subjectAltName, for a leaf that has one.
        crl_url: CRL distribution point; ``None`` for the root.
        ca_url: Address of the issuer's certificate; ``None`` for the root.
    """
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=profile.is_ca, path_length=profile.path_length), True),
        (key_usage(profile), True),
    ]
    if profile.extended_key_usage is not None:
        extensions.append((x509.ExtendedKeyUsage([profile.extended_key_usage]), profile.extended_key_usage_critical))
    if profile.role in _CONSTRAINED and domain is not None:
        extensions.append((name_constraints(profile.role, domain), True))
    if uri is not None:
        extensions.append((x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), False))
    extensions.append((x509.SubjectKeyIdentifier(key_identifier(public_key)), False))
    extensions.append((x509.AuthorityKeyIdentifier(issuer_ski, None, None), False))
    if crl_url is not None:
        extensions.append((x509.CRLDistributionPoints([distribution_point(crl_url)]), False))
    if ca_url is not None:
        extensions.append((x509.AuthorityInformationAccess([ca_issuers(ca_url)]), False))
    return tuple(extensions)


def key_usage(profile: CertificateProfile) -> x509.KeyUsage:
    """Return keyUsage: keyCertSign and cRLSign of a CA, digitalSignature of a leaf (RFC 5280 4.2.1.3)."""
    return x509.KeyUsage(
        digital_signature=not profile.is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=profile.is_ca,
        crl_sign=profile.is_ca,
        encipher_only=False,
        decipher_only=False,
    )


def name_constraints(role: IntermediateRole, domain: str) -> x509.NameConstraints:
    """Return the name constraints of an intermediate (RFC 5280 4.2.1.10)."""
    hosts = sorted(permitted_hosts(role, domain))
    return x509.NameConstraints([x509.UniformResourceIdentifier(host) for host in hosts], EXCLUDED)


def distribution_point(url: str) -> x509.DistributionPoint:
    """Return the one CRL distribution point of a certificate (RFC 5280 4.2.1.13)."""
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def ca_issuers(url: str) -> x509.AccessDescription:
    """Return the one access description of a certificate (RFC 5280 4.2.2.1)."""
    return x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))


def constrained_names(intermediate: x509.Certificate) -> tuple[IntermediateRole, TrustDomain] | None:
    """Return role and trust domain of an intermediate, read from its name constraints.

    Returns:
        ``None`` where it has none, as a Timestamp Intermediate.

    Raises:
        MalformedError: it has others than those of a role (PKI-NAME).
    """
    try:
        value = intermediate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE as error:
        raise MalformedError("name constraints - expected one - got malformed extensions", code="PKI-NAME") from error
    hosts = [name.value for name in value.permitted_subtrees or () if isinstance(name, x509.UniformResourceIdentifier)]
    role, domain = parse_permitted_hosts(frozenset(hosts))
    if value != name_constraints(role, domain):
        raise MalformedError(
            "name constraints - expected permitted URI hosts and every DNS name and address excluded - got others",
            code="PKI-NAME",
        )
    return role, domain


def alternative_uri(certificate: x509.Certificate) -> str:
    """Return the one URI in a leaf's subjectAltName.

    Raises:
        MalformedError: there is not exactly one name, or it is no URI (PKI-NAME).
    """
    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (x509.ExtensionNotFound, *UNREADABLE) as error:
        raise MalformedError("subjectAltName - expected one URI - got none", code="PKI-NAME") from error
    if len(names) == 1 and isinstance(names[0], x509.UniformResourceIdentifier):
        return names[0].value
    raise MalformedError(f"subjectAltName - expected one URI - got {len(names)} names", code="PKI-NAME")


def check_extensions(
    certificate: x509.Certificate, profile: CertificateProfile, *, domain: str | None = None
) -> Iterator[Finding]:
    """Yield how the extensions of a certificate depart from its profile.

    Args:
        certificate: What is checked.
        profile: What it should be.
        domain: The trust domain its names must lie in; ``None`` accepts any.
    """
    try:
        present = {extension.oid: extension for extension in certificate.extensions}
        public_key = require_public_key(certificate.public_key())
    except (PolicyError, *UNREADABLE) as error:
        yield _finding("extensions", "well-formed ones, none twice", str(error))
        return
    criticality = _criticality(profile)
    if {oid: extension.critical for oid, extension in present.items()} != criticality:
        yield _finding("extensions", _names(criticality), _names({oid: e.critical for oid, e in present.items()}))
        return
    values = {oid: extension.value for oid, extension in present.items()}
    yield from _check_usage(values, profile)
    yield from _check_identifiers(values, profile, public_key)
    yield from _check_names(certificate, profile, domain)
    if not profile.is_root:
        yield from _check_addresses(values, profile)


def _criticality(profile: CertificateProfile) -> dict[x509.ObjectIdentifier, bool]:
    criticality = {
        ExtensionOID.BASIC_CONSTRAINTS: True,
        ExtensionOID.KEY_USAGE: True,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    }
    if profile.extended_key_usage is not None:
        criticality[ExtensionOID.EXTENDED_KEY_USAGE] = profile.extended_key_usage_critical
    if profile.role in _CONSTRAINED:
        criticality[ExtensionOID.NAME_CONSTRAINTS] = True
    if profile.alternative_name is not AlternativeName.NONE:
        criticality[ExtensionOID.SUBJECT_ALTERNATIVE_NAME] = False
    if not profile.is_root:
        criticality[ExtensionOID.CRL_DISTRIBUTION_POINTS] = False
        criticality[ExtensionOID.AUTHORITY_INFORMATION_ACCESS] = False
    return criticality


_Values = dict[x509.ObjectIdentifier, x509.ExtensionType]


def _check_usage(values: _Values, profile: CertificateProfile) -> Iterator[Finding]:
    basic = x509.BasicConstraints(ca=profile.is_ca, path_length=profile.path_length)
    if values[ExtensionOID.BASIC_CONSTRAINTS] != basic:
        yield _finding("extensions.basicConstraints", str(basic), str(values[ExtensionOID.BASIC_CONSTRAINTS]))
    usage = key_usage(profile)
    if values[ExtensionOID.KEY_USAGE] != usage:
        yield _finding("extensions.keyUsage", str(usage), str(values[ExtensionOID.KEY_USAGE]))
    if profile.extended_key_usage is not None:
        extended = x509.ExtendedKeyUsage([profile.extended_key_usage])
        found = values[ExtensionOID.EXTENDED_KEY_USAGE]
        if found != extended:
            yield _finding("extensions.extKeyUsage", str(extended), str(found), rule="PKI-EKU")


def _check_identifiers(values: _Values, profile: CertificateProfile, public_key: PublicKey) -> Iterator[Finding]:
    own = x509.SubjectKeyIdentifier(key_identifier(public_key))
    if values[ExtensionOID.SUBJECT_KEY_IDENTIFIER] != own:
        yield _finding(
            "extensions.subjectKeyIdentifier", own.digest.hex(), str(values[ExtensionOID.SUBJECT_KEY_IDENTIFIER])
        )
    authority = values[ExtensionOID.AUTHORITY_KEY_IDENTIFIER]
    identifier = getattr(authority, "key_identifier", None)
    if identifier is None or authority != x509.AuthorityKeyIdentifier(identifier, None, None):
        yield _finding("extensions.authorityKeyIdentifier", "a key identifier alone", str(authority))
    elif profile.is_root and identifier != own.digest:
        yield _finding("extensions.authorityKeyIdentifier", own.digest.hex(), identifier.hex())


def _check_names(certificate: x509.Certificate, profile: CertificateProfile, domain: str | None) -> Iterator[Finding]:
    try:
        if profile.role in _CONSTRAINED:
            role, found = constrained_names(certificate) or (None, None)
            if role is not profile.role or found is None:
                yield _finding("extensions.nameConstraints", f"those of the {profile.name}", str(role), rule="PKI-NAME")
            elif domain is not None and found != domain:
                yield _finding("extensions.nameConstraints", f"below {domain}", found, rule="PKI-NAME")
        elif profile.alternative_name is not AlternativeName.NONE:
            yield from _check_alternative_name(certificate, profile, domain)
    except MalformedError as error:
        yield Finding(rule="PKI-NAME", field="extensions", message=error.message)


def _check_alternative_name(
    certificate: x509.Certificate, profile: CertificateProfile, domain: str | None
) -> Iterator[Finding]:
    uri = alternative_uri(certificate)
    if profile.alternative_name is AlternativeName.LISTING:
        found = TrustDomain(uri.removeprefix("https://index.").removesuffix("/"))
        fits = uri == listing_uri(found)
    else:
        name = parse_package_uri(uri)
        found = name.domain
        fits = name.tier is _LABELS[profile.alternative_name]
        yield from _check_common_name(certificate, profile, name.namespace)
    if not fits or (domain is not None and found != domain):
        expected = profile.alternative_name.replace("D/", f"{domain or 'DOMAIN'}/")
        yield _finding("extensions.subjectAltName", expected, uri, rule="PKI-NAME")


def _check_common_name(certificate: x509.Certificate, profile: CertificateProfile, namespace: str) -> Iterator[Finding]:
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if profile.names_namespace and names != [namespace]:
        yield _finding("subject.commonName", f"the namespace {namespace}", str(names), rule="PKI-NAME")


def _check_addresses(values: _Values, profile: CertificateProfile) -> Iterator[Finding]:
    authority = getattr(values[ExtensionOID.AUTHORITY_KEY_IDENTIFIER], "key_identifier", None) or b""
    points, access = values[ExtensionOID.CRL_DISTRIBUTION_POINTS], values[ExtensionOID.AUTHORITY_INFORMATION_ACCESS]
    try:
        crl_url, ca_url = crl_url_in(points), _ca_url_in(access)
        crl_base, address = parse_crl_url(crl_url)
        ca_base, ca_ski = parse_ca_url(ca_url)
    except MalformedError as error:
        yield Finding(rule="PKI-PROFILE", field="extensions", message=error.message)
        return
    if points != x509.CRLDistributionPoints([distribution_point(crl_url)]):
        yield _finding("extensions.cRLDistributionPoints", "one address and nothing else", str(points))
    if access != x509.AuthorityInformationAccess([ca_issuers(ca_url)]):
        yield _finding("extensions.authorityInfoAccess", "one caIssuers address and nothing else", str(access))
    if address.issuer_ski != authority.hex() or ca_ski != authority.hex() or crl_base != ca_base:
        yield _finding(
            "extensions.cRLDistributionPoints", f"addresses of issuer {authority.hex()}", f"{crl_url}, {ca_url}"
        )
    if address.shard and not profile.sharded:
        yield _finding("extensions.cRLDistributionPoints", "shard 0", crl_url)


def crl_url_in(value: x509.ExtensionType) -> str:
    """Return the first URI of a cRLDistributionPoints extension.

    Raises:
        MalformedError: there is none (PKI-CRL-ADDRESS).
    """
    for point in value if isinstance(value, x509.CRLDistributionPoints) else ():
        for name in point.full_name or ():
            if isinstance(name, x509.UniformResourceIdentifier):
                return name.value
    raise MalformedError("CRL distribution point - expected one address - got none", code="PKI-CRL-ADDRESS")


def _ca_url_in(value: x509.ExtensionType) -> str:
    for access in value if isinstance(value, x509.AuthorityInformationAccess) else ():
        if isinstance(access.access_location, x509.UniformResourceIdentifier):
            return access.access_location.value
    raise MalformedError("authorityInfoAccess - expected one address - got none", code="PKI-URL")


def _names(criticality: dict[x509.ObjectIdentifier, bool]) -> str:
    # ObjectIdentifier has no public name; its dotted string is the standard's.
    return ", ".join(
        f"{oid.dotted_string}{' critical' if flag else ''}"
        for oid, flag in sorted(criticality.items(), key=lambda item: item[0].dotted_string)
    )


def _finding(where: str, expected: str, got: str, *, rule: str = "PKI-PROFILE") -> Finding:
    return Finding(rule=rule, field=where, message=f"expected {expected} - got {got[:200]}")
