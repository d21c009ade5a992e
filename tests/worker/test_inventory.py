"""Tests of the records of the online intermediates: lines, details, exports."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest
from cryptography import x509

from pki.errors import ConfigurationError, TransportError
from registry.certificates import find_certificate, find_issued
from tests.worker.estate import Estate
from tests.worker.test_officers import enrol, publish_as
from worker.inventory import certificate_line, describe_certificate, export_inventory


def test_certificate_is_shown_with_what_it_signed(registry: Estate) -> None:
    signer = enrol(registry)
    publish_as(registry, signer)
    with registry.connect("skreg_operator") as connection:
        stored = find_certificate(connection, registry.authority.publisher_ca.ski, f"{signer.leaf.serial_number:x}")
        shown = describe_certificate(connection, stored)
    assert "signed: acme/demo@1.0.0  live" in shown.splitlines()
    assert "revoked: no" in shown.splitlines()
    assert certificate_line(stored).split()[1:4] == ["organisation", "acme", "acct-acme"]


def test_list_shows_organisations_or_one_namespace_or_what_is_revoked(registry: Estate) -> None:
    enrol(registry)
    registry.publish(registry.pack())
    with registry.connect("skreg_operator") as connection:
        assert {c.kind for c in find_issued(connection, None, revoked=False)} == {"organisation", "listing"}
        assert [c.kind for c in find_issued(connection, "jsmith", revoked=False)] == ["single-use"]
        assert find_issued(connection, None, revoked=True) == ()
    registry.superuser(
        "UPDATE certificates SET revoked_since = now(), reason = 'superseded' WHERE namespace = 'jsmith'"
    )
    with registry.connect("skreg_operator") as connection:
        (revoked,) = find_issued(connection, None, revoked=True)
    assert "revoked superseded" in certificate_line(revoked)


def test_export_holds_every_certificate_and_crl(registry: Estate) -> None:
    enrol(registry)
    registry.publish(registry.pack())
    folder = registry.folder / "export"
    with registry.connect("skreg_operator") as connection:
        done = export_inventory(connection, registry.store, folder)
    lines = [json.loads(line) for line in (folder / "certificates.jsonl").read_text().splitlines()]
    assert (done.certificates, done.crls) == (3, 4)  # acme, one package, the listing leaf
    for line in lines:
        leaf = x509.load_der_x509_certificate(b64decode(line["der"]))
        assert f"{leaf.serial_number:x}" == line["serial"]
        issuer = x509.load_der_x509_certificate((folder / "ca" / f"{line['issuer_ski']}.cer").read_bytes())
        leaf.verify_directly_issued_by(issuer)
        crl = x509.load_der_x509_crl((folder / "crl" / f"{line['issuer_ski']}-{line['shard']}.crl").read_bytes())
        assert crl.issuer == issuer.subject


def test_export_overwrites_nothing_and_leaves_nothing_half(registry: Estate) -> None:
    registry.run_sign()
    folder = registry.folder / "export"
    folder.mkdir()
    (folder / "kept").touch()
    with registry.connect("skreg_operator") as connection, pytest.raises(ConfigurationError) as refused:
        export_inventory(connection, registry.store, folder)
    assert refused.value.code == "WRK-EXPORT"
    assert (folder / "kept").exists()

    (registry.folder / "store" / "pki" / "ca" / f"{registry.authority.publisher_ca.ski}.cer").unlink()
    with registry.connect("skreg_operator") as connection, pytest.raises(TransportError) as missing:
        export_inventory(connection, registry.store, registry.folder / "other")
    assert missing.value.code == "REG-STORE"
    assert not (registry.folder / "other").exists()
