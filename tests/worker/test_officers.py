"""Tests of what officers order: certificates, revocations, blocks; and of what is not an officer's order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from pki.crl import Reason
from pki.csr import build_csr, parse_csr
from pki.errors import ConflictError, MalformedError, NotFoundError, PolicyError, TrustError
from pki.keys import KeySpec, PrivateKey, generate_key, require_public_key, same_key
from pki.names import Tier
from pki.revocation import parse_crl
from registry.catalog import find_version, set_status
from registry.certificates import (
    CertificateRequest,
    add_approval,
    find_certificate,
    find_request,
    request_certificate,
    request_revocation,
)
from registry.states import State
from skillpkg.listing import Status
from skillpkg.names import PackageRef
from skillpkg.package import verify_statement
from tests.pki.authority import Signer, officer
from tests.worker.estate import Estate, utc_now
from worker.approvals import sign_order
from worker.officer import Officer, block_order, find_serial, give_order, issue_order, revoke_order
from worker.orders import Order


def request(registry: Estate, key: PrivateKey) -> CertificateRequest:
    """Store a certificate request as the web process does."""
    csr = parse_csr(build_csr(key, common_name="acme")).der
    with registry.connect("skreg_web") as connection:
        return request_certificate(connection, namespace="acme", account_id="acct-acme", csr=csr)


def state_of(registry: Estate, request_id: str) -> CertificateRequest:
    with registry.connect("skreg_web") as connection:
        return find_request(connection, request_id)


def give(registry: Estate, order: Order, who: Officer | None = None) -> None:
    with registry.connect("skreg_operator") as connection:
        give_order(connection, registry.bundle, order, who or registry.officer, expires=utc_now() + timedelta(hours=1))


def smuggle(registry: Estate, order: Order, key: PrivateKey, *, officer_id: str = "ada") -> None:
    """Store an order with a signature of ``key``, as somebody could who can write to the database."""
    signed = sign_order(order, key=key, officer=officer_id, expires=utc_now() + timedelta(hours=1))
    issuing = order.ACTION == "issue"
    with registry.connect("skreg_operator") as connection:
        add_approval(
            connection,
            action=order.ACTION,
            object_id=order.object_id,
            order=signed.order,
            envelope=signed.envelope,
            kind="certificate" if issuing else "order",
            subject=order.object_id if issuing else "",
        )


def order_for(registry: Estate, made: CertificateRequest) -> Order:
    with registry.connect("skreg_operator") as connection:
        return issue_order(connection, made)


def enrol(registry: Estate) -> Signer:
    """Return acme with a certificate that the registry issued."""
    key = generate_key(KeySpec.P256)
    made = request(registry, key)
    give(registry, order_for(registry, made))
    registry.run_sign()
    done = state_of(registry, made.id)
    assert (done.state, done.error_code) == ("issued", None)
    with registry.connect("skreg_web") as connection:
        stored = find_certificate(connection, str(done.issuer_ski), str(done.serial))
    leaf = x509.load_der_x509_certificate(stored.der)
    return Signer(key=key, leaf=leaf, intermediate=registry.authority.publisher_ca.certificate)


def publish_as(registry: Estate, signer: Signer, version: str = "1.0.0") -> State:
    signed = registry.sign_as(signer, registry.pack("demo", version, namespace="acme"))
    return registry.publish(signed, tier=Tier.ORGANISATION, account_id="acct-acme").state


def test_approved_request_becomes_a_certificate_that_publishes(registry: Estate) -> None:
    signer = enrol(registry)
    assert same_key(require_public_key(signer.leaf.public_key()), signer.key.public_key())
    assert publish_as(registry, signer) is State.PUBLISHED
    assert registry.superuser("SELECT actor FROM audit WHERE action = 'issue'") == [("officer ada",)]
    assert registry.superuser("SELECT state FROM approvals") == [("done",)]


def test_request_approved_in_the_database_only_is_refused(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    registry.superuser(
        "INSERT INTO approvals (action, object_id, order_bytes, envelope, state)"
        " VALUES ('issue', %s, 'approved', 'yes', 'done')",
        made.id,
    )
    registry.superuser("SELECT enqueue('sign', 'certificate', %s)", made.id)
    registry.run_sign()
    refused = state_of(registry, made.id)
    assert (refused.state, refused.error_code) == ("requested", "PKI-APPROVAL")
    assert not registry.superuser("SELECT 1 FROM certificates")


def test_request_that_nobody_approved_is_refused(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    registry.superuser("SELECT enqueue('sign', 'certificate', %s)", made.id)
    registry.run_sign()
    assert state_of(registry, made.id).error_code == "PKI-APPROVAL"


@pytest.mark.parametrize("officer_id", ["ada", "mallory"])
def test_approval_signed_by_a_stranger_is_refused(registry: Estate, officer_id: str) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    _, stranger = officer("Mallory")
    smuggle(registry, order_for(registry, made), stranger, officer_id=officer_id)
    registry.run_sign()
    refused = state_of(registry, made.id)
    assert (refused.state, refused.error_code) == ("requested", "PKI-APPROVAL")


def test_owners_revocation_counts_from_the_moment_it_was_asked_for(registry: Estate) -> None:
    """So that a stolen token, or a taken-over web process, cannot take back what was published before."""
    signer = enrol(registry)
    with registry.connect("skreg_web") as connection:
        request_revocation(
            connection,
            issuer_ski=registry.authority.publisher_ca.ski,
            serial=f"{signer.leaf.serial_number:x}",
            account_id="acct-acme",
            reason=Reason.KEY_COMPROMISE.value,
        )
    registry.run_sign()
    assert registry.superuser(
        "SELECT c.revoked_since = date_trunc('second', r.created_at) AND now() - r.created_at < interval '1 minute'"
        " FROM certificates c JOIN revocation_requests r USING (issuer_ski, serial)"
    ) == [(True,)]
    assert publish_as(registry, signer) is State.REJECTED


def test_genuine_approval_after_a_refusal_still_counts(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    registry.superuser("SELECT enqueue('sign', 'certificate', %s)", made.id)
    registry.run_sign()
    give(registry, order_for(registry, made))
    registry.run_sign()
    assert state_of(registry, made.id).state == "issued"


def test_request_that_was_exchanged_after_its_approval_is_refused(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    give(registry, order_for(registry, made))
    other = parse_csr(build_csr(generate_key(KeySpec.P256), common_name="acme")).der
    registry.superuser("UPDATE certificate_requests SET csr = %s WHERE id = %s", other, made.id)
    registry.run_sign()
    assert state_of(registry, made.id).error_code == "WRK-ORDER"
    assert not registry.superuser("SELECT 1 FROM certificates")


def test_renamed_organisation_does_not_get_into_a_certificate(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    give(registry, order_for(registry, made))
    registry.superuser("UPDATE namespaces SET organisation = 'Evil Corp' WHERE namespace = 'acme'")
    registry.run_sign()
    ((der,),) = registry.superuser("SELECT der FROM certificates")
    assert "O=Acme Ltd" in x509.load_der_x509_certificate(bytes(der)).subject.rfc4514_string()  # type: ignore[call-overload] # the column is bytea


def test_key_of_somebody_else_signs_nothing(registry: Estate) -> None:
    made = request(registry, generate_key(KeySpec.P256))
    order = order_for(registry, made)
    _, stranger = officer("Mallory")
    for who in (Officer(id="ada", key=stranger), Officer(id="mallory", key=stranger)):
        with pytest.raises(PolicyError) as refused:
            give(registry, order, who)
        assert refused.value.code == "WRK-OFFICER"
    assert not registry.superuser("SELECT 1 FROM approvals")


def test_issued_request_is_not_approved_twice(registry: Estate) -> None:
    enrol(registry)
    ((request_id,),) = registry.superuser("SELECT id FROM certificate_requests")
    with pytest.raises(ConflictError) as refused:
        order_for(registry, state_of(registry, str(request_id)))
    assert refused.value.code == "WRK-ISSUED"


def revoked_in_crl(registry: Estate, leaf: x509.Certificate) -> x509.RevokedCertificate | None:
    ca = registry.authority.issuer_of(leaf)
    der = registry.blob(f"pki/crl/{ca.ski}/{leaf.serial_number % ca.shards}.crl")
    return parse_crl(der).source.get_revoked_certificate_by_serial_number(leaf.serial_number)


def test_revoked_organisation_cannot_publish_and_listings_name_the_new_crl(registry: Estate) -> None:
    signer = enrol(registry)
    publish_as(registry, signer)
    ca = registry.authority.publisher_ca
    address = registry.authority.address(ca, signer.leaf.serial_number % ca.shards)
    before = registry.listing("acme", "demo").listing.crl_numbers[address]

    with registry.connect("skreg_operator") as connection:
        issuer_ski, serial = find_serial(connection, f"00:{signer.leaf.serial_number:X}")
        order = revoke_order(
            connection, issuer_ski=issuer_ski, serial=serial, reason=Reason.KEY_COMPROMISE, since=utc_now()
        )
    give(registry, order)
    registry.run_sign()

    entry = revoked_in_crl(registry, signer.leaf)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert registry.listing("acme", "demo").listing.crl_numbers[address] > before
    later = publish_as(registry, signer, "2.0.0")
    assert later is State.REJECTED
    assert registry.superuser("SELECT error_code FROM submissions WHERE version = '2.0.0'") == [("PKI-REVOKED",)]


def test_unsigned_or_foreign_orders_to_revoke_are_refused(registry: Estate) -> None:
    signer = enrol(registry)
    with registry.connect("skreg_operator") as connection:
        order = revoke_order(
            connection,
            issuer_ski=registry.authority.publisher_ca.ski,
            serial=f"{signer.leaf.serial_number:x}",
            reason=Reason.KEY_COMPROMISE,
            since=utc_now(),
        )
    _, stranger = officer("Mallory")
    smuggle(registry, order, stranger)
    smuggle(registry, replace(order, account_id="acct-other"), registry.officer_key)
    registry.run_sign()
    rows = registry.superuser("SELECT state, error_code FROM approvals WHERE action = 'revoke' ORDER BY error_code")
    assert rows == [("refused", "PKI-APPROVAL"), ("refused", "WRK-ORDER")]
    assert revoked_in_crl(registry, signer.leaf) is None


def test_owner_revokes_without_an_officer_but_only_the_own(registry: Estate) -> None:
    signer = enrol(registry)
    ski, serial = registry.authority.publisher_ca.ski, f"{signer.leaf.serial_number:x}"

    def ask(account_id: str) -> None:
        with registry.connect("skreg_web") as connection:
            request_revocation(
                connection,
                issuer_ski=ski,
                serial=serial,
                account_id=account_id,
                reason=Reason.SUPERSEDED.value,
            )
        registry.run_sign()

    ask("acct-jsmith")
    assert revoked_in_crl(registry, signer.leaf) is None
    ask("acct-acme")
    assert revoked_in_crl(registry, signer.leaf) is not None


def test_revocation_becomes_stricter_but_never_milder(registry: Estate) -> None:
    signer = enrol(registry)
    ski, serial = registry.authority.publisher_ca.ski, f"{signer.leaf.serial_number:x}"
    for reason in (Reason.SUPERSEDED, Reason.KEY_COMPROMISE, Reason.CESSATION_OF_OPERATION):
        with registry.connect("skreg_operator") as connection:
            order = revoke_order(
                connection, issuer_ski=ski, serial=serial, reason=reason, since=signer.leaf.not_valid_before_utc
            )
        give(registry, order)
        registry.run_sign()
    assert registry.superuser("SELECT reason FROM certificates") == [("keyCompromise",)]


def test_blocked_version_is_refused_everywhere_and_others_stay_good(registry: Estate) -> None:
    registry.publish(registry.pack())
    registry.publish(registry.pack(version="1.1.0"))
    with registry.connect("skreg_operator") as connection:
        order = block_order(
            connection, PackageRef.parse("jsmith/demo@1.0.0"), reason=Reason.KEY_COMPROMISE, since=utc_now()
        )
    give(registry, order)
    registry.run_sign()

    bad, good = registry.listing("jsmith", "demo").listing.versions
    assert (bad.status, good.status) == (Status.BLOCKED, Status.LIVE)
    trust = registry.bundle.trust
    signature = registry.blob(f"packages/jsmith/demo/1.0.0/{bad.sha256}.sig")
    with pytest.raises(TrustError) as refused:
        verify_statement(signature, trust=trust, crls=registry.crls(signature), at=utc_now())
    assert refused.value.code == "PKI-REVOKED"
    other = registry.blob(f"packages/jsmith/demo/1.1.0/{good.sha256}.sig")
    verify_statement(other, trust=trust, crls=registry.crls(other), at=utc_now())


def test_blocked_version_stays_blocked(registry: Estate) -> None:
    registry.publish(registry.pack())
    with registry.connect("skreg_operator") as connection:
        order = block_order(
            connection, PackageRef.parse("jsmith/demo@1.0.0"), reason=Reason.PRIVILEGE_WITHDRAWN, since=utc_now()
        )
    give(registry, order)
    registry.run_sign()
    with registry.connect("skreg_web") as connection:
        version = find_version(connection, "jsmith", "demo", "1.0.0")
        with pytest.raises(PolicyError) as refused:
            set_status(connection, version, "live", actor="acct-jsmith")
    assert refused.value.code == "REG-BLOCKED"


def test_yank_meanwhile_does_not_get_in_the_way_of_a_block(registry: Estate) -> None:
    registry.publish(registry.pack())
    with registry.connect("skreg_sign") as signing:
        seen = find_version(signing, "jsmith", "demo", "1.0.0")
        with registry.connect("skreg_web") as web:
            assert set_status(web, seen, "yanked", actor="acct-jsmith")
        assert set_status(signing, seen, "blocked", actor="officer ada")
    with registry.connect("skreg_web") as web, pytest.raises(PolicyError) as refused:
        set_status(web, seen, "yanked", actor="acct-jsmith")
    assert refused.value.code == "REG-BLOCKED"
    assert registry.superuser("SELECT action, detail FROM audit WHERE action <> 'issue' ORDER BY id") == [
        ("yanked", "live"),
        ("blocked", "yanked"),
    ]


def test_yank_and_unyank_reach_the_listing(registry: Estate) -> None:
    registry.publish(registry.pack())
    for status in ("yanked", "live"):
        with registry.connect("skreg_web") as connection:
            set_status(connection, find_version(connection, "jsmith", "demo", "1.0.0"), status, actor="acct-jsmith")
        registry.run_sign()
        assert registry.listing("jsmith", "demo").listing.versions[0].status == status


def test_block_of_a_version_that_is_not_there_is_refused(registry: Estate) -> None:
    with registry.connect("skreg_operator") as connection:
        with pytest.raises(NotFoundError) as missing:
            block_order(connection, PackageRef.parse("jsmith/no@1.0.0"), reason=Reason.KEY_COMPROMISE, since=utc_now())
        with pytest.raises(MalformedError) as unnamed:
            block_order(connection, PackageRef.parse("jsmith/no"), reason=Reason.KEY_COMPROMISE, since=utc_now())
    assert (missing.value.code, unnamed.value.code) == ("REG-NO-VERSION", "PKG-REF")


def test_revocation_from_a_future_day_is_refused_and_stops_no_crl(registry: Estate) -> None:
    signer = enrol(registry)
    with registry.connect("skreg_operator") as connection:
        order = revoke_order(
            connection,
            issuer_ski=registry.authority.publisher_ca.ski,
            serial=f"{signer.leaf.serial_number:x}",
            reason=Reason.KEY_COMPROMISE,
            since=utc_now() + timedelta(days=3650),
        )
    give(registry, order)
    assert registry.run_sign() == 0
    assert registry.superuser("SELECT state, error_code FROM approvals WHERE action = 'revoke'") == [
        ("refused", "WRK-ORDER")
    ]
    assert registry.superuser("SELECT revoked_since FROM certificates WHERE kind = 'organisation'") == [(None,)]
