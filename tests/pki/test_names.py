"""Names: one spelling, and who may use which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import MalformedError
from pki.names import (
    IntermediateRole,
    Tier,
    TrustDomain,
    check_namespace,
    listing_uri,
    package_uri,
    parse_package_uri,
    parse_permitted_hosts,
    permitted_hosts,
)

DOMAIN = TrustDomain("skills.example")


@pytest.mark.parametrize("text", ["skills.example", "a.b", "xn--nxasmq6b.example", "1.example", "a-b.c1.d"])
def test_dns_name_is_a_trust_domain(text: str) -> None:
    domain = TrustDomain.parse(text)
    assert domain == text
    assert domain.value == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example",
        "Skills.example",
        "skills.example.",
        ".skills.example",
        "a..b",
        "-a.example",
        "a-.example",
        "a_b.example",
        "192.0.2.1",
        "a.1",
        "a.example:80",
        "a/b.example",
        "ä.example",
        "skills.example\n",
        f"{'a' * 64}.example",
        f"{'a.' * 100}aa",
    ],
)
def test_anything_else_is_no_trust_domain(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        TrustDomain.parse(text)
    assert caught.value.code == "PKI-DOMAIN"


@pytest.mark.parametrize("namespace", ["ab", "acme", "a-b", "0-0", "a" * 39])
def test_namespace_is_accepted(namespace: str) -> None:
    assert check_namespace(namespace) == namespace


@pytest.mark.parametrize(
    "namespace", ["", "a", "A1", "-ab", "ab-", "a--b", "a.b", "a_b", "a" * 40, "acme\n", "äb", "a/b", "%61b"]
)
def test_other_namespaces_are_refused(namespace: str) -> None:
    with pytest.raises(MalformedError) as caught:
        package_uri(namespace, Tier.ORGANISATION, DOMAIN)
    assert caught.value.code == "PKI-NAME"


def test_uris_are_those_of_the_design() -> None:
    assert package_uri("acme", Tier.ORGANISATION, DOMAIN) == "https://acme.orgs.skills.example/"
    assert package_uri("acme", Tier.REGISTRY, DOMAIN) == "https://acme.users.skills.example/"
    assert listing_uri(DOMAIN) == "https://index.skills.example/"


@given(
    namespace=st.from_regex(r"\A[a-z0-9]{1,18}(-[a-z0-9]{1,18})\Z"),
    tier=st.sampled_from(Tier),
    domain=st.sampled_from(["skills.example", "orgs.example", "users.orgs.example"]),
)
def test_package_uri_survives_the_round_trip(namespace: str, tier: Tier, domain: str) -> None:
    name = parse_package_uri(package_uri(namespace, tier, domain))
    assert (name.namespace, name.tier, name.domain) == (namespace, tier, domain)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "acme.orgs.skills.example",
        "http://acme.orgs.skills.example/",
        "https://acme.orgs.skills.example",
        "https://acme.orgs.skills.example//",
        "https://acme.orgs.skills.example/x",
        "https://acme.orgs.skills.example/?",
        "https://acme.orgs.skills.example/#",
        "https://acme.orgs.skills.example:443/",
        "https://u@acme.orgs.skills.example/",
        "https://Acme.orgs.skills.example/",
        "https://ACME.ORGS.skills.example/",
        "https://acme.orgs.skills.example./",
        "https://%61cme.orgs.skills.example/",
        "https://index.skills.example/",
        "https://a.b.orgs.skills.example/",
        "https://.orgs.skills.example/",
        "https://acme.orgs./",
        "https://acme.orgs.example/",
        "https://acme.admins.skills.example/",
        "HTTPS://acme.orgs.skills.example/",
        "https://acme.orgs.skills.example/\n",
    ],
)
def test_other_spellings_are_no_signer(uri: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_package_uri(uri)
    assert caught.value.code == "PKI-NAME"


@given(st.text(max_size=60))
def test_parser_of_uris_lets_out_only_its_own_error(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_package_uri(text)


def test_hosts_tell_role_and_domain() -> None:
    for role in (IntermediateRole.REGISTRY, IntermediateRole.PUBLISHER):
        assert parse_permitted_hosts(permitted_hosts(role, DOMAIN)) == (role, DOMAIN)
    assert permitted_hosts(IntermediateRole.TIMESTAMP, DOMAIN) == frozenset()


@pytest.mark.parametrize(
    "hosts",
    [
        set(),
        {".orgs.skills.example", ".users.skills.example"},
        {".users.skills.example"},
        {"index.skills.example"},
        {".users.skills.example", "index.other.example"},
        {".users.skills.example", "index.skills.example", "x.skills.example"},
        {"orgs.skills.example"},
        {".orgs.example"},
    ],
)
def test_other_sets_of_hosts_are_refused(hosts: set[str]) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_permitted_hosts(frozenset(hosts))
    assert caught.value.code in {"PKI-NAME", "PKI-DOMAIN"}
