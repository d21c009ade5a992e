"""Whole ceremonies on SoftHSM tokens: what they leave, and what stops them."""

from __future__ import annotations

from ceremony.folder import load_folder
from ceremony.previous import load_previous
from ceremony.verify import verify_folder
from pki.revocation import parse_crl
from tests.ceremony.house import House


def test_every_ceremony_leaves_a_folder_that_verifies(house: House) -> None:
    for name in ("root", "intermediate", "listing", "tsa", "crl"):
        evidence = verify_folder(load_folder(house.folder / name))
        assert not evidence.rehearsal
        assert evidence.signed_off == ("ada", "bo")


def test_later_crls_have_higher_numbers(house: House) -> None:
    earlier = load_previous([house.folder / name for name in ("root", "intermediate", "tsa")])
    later = verify_folder(load_folder(house.folder / "crl"))
    for issuer in ("root", "timestamp"):
        assert parse_crl(later.hierarchy.crls[issuer]).number > parse_crl(earlier.hierarchy.crls[issuer]).number
