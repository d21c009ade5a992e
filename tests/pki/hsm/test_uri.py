"""PKCS#11 URIs: nothing unknown, nothing twice, no PIN."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import MalformedError, PolicyError
from pki.hsm.uri import Pkcs11Uri


def test_uri_of_the_design_is_read() -> None:
    uri = Pkcs11Uri.parse(
        "pkcs11:token=The%20Token;serial=0a;object=issuer;id=%01%ff;manufacturer=SoftHSM%20project;model=m;type=private"
        "?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/skreg/pin"
    )
    assert uri == Pkcs11Uri(
        token="The Token",
        serial="0a",
        object="issuer",
        id=b"\x01\xff",
        manufacturer="SoftHSM project",
        model="m",
        module_path=Path("/usr/lib/softhsm/libsofthsm2.so"),
        pin_source=Path("/etc/skreg/pin"),
    )


@pytest.mark.parametrize("source", ["file:/etc/pin", "file:///etc/pin"])
def test_pin_source_has_two_spellings_of_a_path(source: str) -> None:
    assert Pkcs11Uri.parse(f"pkcs11:object=a?pin-source={source}").pin_source == Path("/etc/pin")


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:object=a?pin-value=123456",
        "pkcs11:object=a;pin-value=123456",
        "pkcs11:object=a?module-path=/m&PIN-VALUE=123456",
        "http:object=a?pin-value=123456",
    ],
)
def test_pin_in_a_uri_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Pkcs11Uri.parse(text)
    assert caught.value.code == "HSM-PIN-VALUE"
    assert "123456" not in str(caught.value) + str(caught.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "object=a",
        "PKCS11:object=a",
        "pkcs11:object",
        "pkcs11:object=",
        "pkcs11:object=a;object=b",
        "pkcs11:objekt=a",
        "pkcs11:object=a;",
        "pkcs11:;object=a",
        "pkcs11:object=%zz",
        "pkcs11:object=%",
        "pkcs11:object=%ff",
        "pkcs11:object=a%00",
        "pkcs11:object=ä",
        "pkcs11:object=a;type=public",
        "pkcs11:object=a?module-name=softhsm2",
        "pkcs11:object=a?module-path=/a&module-path=/b",
        "pkcs11:object=a?pin-source=/etc/pin",
        "pkcs11:object=a?pin-source=file:pin",
        "pkcs11:object=a?pin-source=file://host/pin",
        "pkcs11:object=a?pin-source=|/bin/cat%20pin",
        "pkcs11:object=" + "a" * 9000,
    ],
)
def test_other_uris_are_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        Pkcs11Uri.parse(text)
    assert caught.value.code == "HSM-URI"


_text = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=20)


@given(token=_text, label=_text, key_id=st.binary(min_size=1, max_size=20))
def test_uri_survives_the_round_trip(token: str, label: str, key_id: bytes) -> None:
    uri = Pkcs11Uri(token=token, object=label, id=key_id, module_path=Path("/m.so"), pin_source=Path("/etc/my pin"))
    if "pin-value" not in str(uri).lower():
        assert Pkcs11Uri.parse(str(uri)) == uri


_pieces = st.sampled_from(
    ["pkcs11:", "token=", "object=", "id=", "?", "&", ";", "%", "%ff", "pin-source=file:", "pin-value"]
)


@given(st.lists(st.one_of(_pieces, st.text(max_size=5)), max_size=12).map("".join))
def test_any_text_is_a_uri_or_an_error_of_ours(text: str) -> None:
    for candidate in (text, f"pkcs11:{text}"):
        with contextlib.suppress(MalformedError, PolicyError):
            parsed = Pkcs11Uri.parse(candidate)
            assert "pin-value" not in candidate.lower()
            if "pin-value" not in str(parsed).lower():
                assert Pkcs11Uri.parse(str(parsed)) == parsed
