"""The vector files: each is refused with the code it names, today as when it was made."""

from __future__ import annotations

import pytest
from cryptography import x509

from pki.errors import ToolkitError
from pki.names import Purpose
from pki.trust import Trust
from pki.unreadable import UNREADABLE
from pki.verify import CrlSet, verify_signature
from tests.pki.differential.run import FAULTS
from tests.vectors.vector import ACCEPTED, FOLDER, Vector, read_vector

VECTORS = {path.stem: read_vector(path) for path in sorted(FOLDER.glob("*.txt"))}


def answer(vector: Vector) -> str:
    try:
        trust = Trust(roots=(x509.load_der_x509_certificate(vector.root),), domain=vector.domain)
        crls = CrlSet(crls=vector.crls)
        verify_signature(vector.cms, purpose=Purpose.PACKAGE, trust=trust, crls=crls, at=vector.at)
    except ToolkitError as error:
        return error.code
    except UNREADABLE:
        return "PKI-ROOT"
    return ACCEPTED


@pytest.mark.filterwarnings("ignore:Parsed a serial number:UserWarning")  # of numbers below one; outside tests, too
@pytest.mark.parametrize("name", VECTORS)
def test_vector_is_judged_as_it_expects(name: str) -> None:
    assert answer(VECTORS[name]) == VECTORS[name].expect


def test_every_fault_has_its_vector_and_only_what_has_none_is_accepted() -> None:
    assert {vector.fault for vector in VECTORS.values()} == {"none", *FAULTS}
    assert [vector.fault for vector in VECTORS.values() if vector.expect == ACCEPTED] == ["none"]


@pytest.mark.parametrize("name", VECTORS)
def test_file_is_named_after_its_fault_and_written_in_one_way(name: str) -> None:
    vector = VECTORS[name]
    assert vector.path == FOLDER / f"{name}.txt"
    assert vector.path.read_text(encoding="ascii") == vector.encode()
