"""CRLs by hand may be DER or PEM, one or many; what is none is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import MalformedError, NotFoundError
from skillpkg.crl_files import crls_as_der, load_crls
from tests.pki.authority import Authority

DERS = Authority.create().crls()


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)


def test_files_of_either_kind_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "one.crl").write_bytes(DERS[0])
    (tmp_path / "all.crls").write_bytes(b"root:\n" + b"\n".join(pem(der) for der in DERS))
    assert load_crls([tmp_path / "one.crl"]) == DERS[:1]
    assert load_crls([tmp_path / "all.crls", tmp_path / "one.crl"]) == (*DERS, DERS[0])


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", DERS[0][:-1], DERS[0] + b"\0", pem(DERS[0]).replace(b"MII", b"!!!", 1), pem(DERS[0])[40:]],
    ids=["empty", "text", "truncated", "byte after", "no base64", "no beginning"],
)
def test_what_is_no_crl_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        crls_as_der(content)
    assert caught.value.code == "CRL-FORM"


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        load_crls([tmp_path / "nope.crl"])
    assert caught.value.code == "CLI-NO-FILE"
