"""A token lives in a process of its own: its crash is an error, its secrets are not shown, and it ends with us."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ceremony.device import Device, open_device
from pki.errors import ConfigurationError, DeviceError
from pki.keys import KeySpec
from tests.ceremony.house import PIN, House


@contextmanager
def opened(house: House, pin: Callable[[], str]) -> Iterator[Device]:
    """A token whose end is not what the test is about."""
    with suppress(DeviceError), open_device(house.hsm.module, serial=house.serials["root"], pin=pin) as device:
        yield device


@pytest.fixture
def device(new_house: House) -> Iterator[Device]:
    with open_device(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as device:
        yield device


def test_token_works_through_its_process(device: Device) -> None:
    device.generate("one", KeySpec.P384)
    assert [key.label for key in device.inventory()] == ["one"]
    assert {item.kind for item in device.objects()} == {"PRIVATE_KEY", "PUBLIC_KEY"}
    assert device.attributes("one").spec is KeySpec.P384
    key = device.key("one")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(b"message", ec.ECDSA(hashes.SHA384()))
    key.public_key().verify(signature, b"message", ec.ECDSA(hashes.SHA384()))


def test_refusals_of_the_token_keep_their_code_and_name_the_token(device: Device, new_house: House) -> None:
    device.generate("one", KeySpec.P256)
    for call, code in (
        (lambda: device.generate("one", KeySpec.P256), "HSM-LABEL-EXISTS"),
        (lambda: device.key("none"), "HSM-NO-KEY"),
        (lambda: device.attributes("none"), "HSM-NO-KEY"),
    ):
        with pytest.raises(DeviceError) as caught:
            call()
        assert caught.value.code == code
        assert new_house.serials["root"] in caught.value.message
    # and it goes on
    assert len(device.inventory()) == 1


def test_rsa_key_is_not_signed_with(device: Device) -> None:
    device.generate("rsa", KeySpec.RSA3072)
    with pytest.raises(DeviceError) as caught:
        device.key("rsa")
    assert caught.value.code == "HSM-REFUSED"


def test_digest_of_another_length_is_refused(device: Device) -> None:
    device.generate("one", KeySpec.P384)
    key = device.key("one")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    with pytest.raises(DeviceError) as caught:
        key.sign(b"message", ec.ECDSA(hashes.SHA512()))
    assert caught.value.code == "HSM-REFUSED"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_crash_is_an_error_with_a_code(number: signal.Signals, new_house: House) -> None:
    with opened(new_house, lambda: PIN) as device:
        device.generate("one", KeySpec.P256)
        os.kill(device.pid, number)
        with pytest.raises(DeviceError) as caught:
            device.inventory()
    assert caught.value.code == "HSM-CRASHED"
    assert str(-number) in caught.value.message


def test_crash_while_waiting_for_the_pin_is_an_error(new_house: House) -> None:
    def crash() -> str:
        os.kill(pids[0], signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pids[0])], timeout=10)
        return PIN

    pids: list[int] = []

    with opened(new_house, crash) as device:
        pids.append(device.pid)
        with pytest.raises(DeviceError) as caught:
            device.inventory()
    assert caught.value.code == "HSM-CRASHED"
    # Nothing of what was about to be sent hangs on the error.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert PIN not in str(caught.value)


def test_wrong_pin_is_tried_once(new_house: House) -> None:
    asked = []

    def pin() -> str:
        asked.append(1)
        return "1111"

    with opened(new_house, pin) as device, pytest.raises(DeviceError) as caught:
        device.inventory()
    assert caught.value.code == "HSM-PIN"
    assert asked == [1]


def test_pin_that_nobody_can_give_leaves_no_process(new_house: House) -> None:
    def nobody() -> str:
        raise ConfigurationError("PIN - expected one - got nothing", code="CER-PIN")

    with opened(new_house, nobody) as device, pytest.raises(ConfigurationError):
        device.inventory()
    assert not psutil.pid_exists(device.pid)


def test_secrets_are_in_neither_arguments_nor_environment_of_the_process(device: Device) -> None:
    device.inventory()
    process = Path("/proc", str(device.pid))
    for name in ("cmdline", "environ"):
        assert PIN.encode() not in (process / name).read_bytes()
    limits = (process / "limits").read_text()
    assert "Max core file size        0 " in limits


def test_process_ends_with_the_token(new_house: House) -> None:
    with open_device(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as device:
        device.inventory()
        assert psutil.pid_exists(device.pid)
    assert not psutil.pid_exists(device.pid)


def test_control_c_does_not_reach_the_token(device: Device) -> None:
    device.inventory()
    os.kill(device.pid, signal.SIGINT)
    assert device.inventory() == ()
    assert os.getpgid(device.pid) != os.getpgid(0)


def test_folder_of_the_same_name_is_not_what_runs(
    new_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ceremony").mkdir()
    (tmp_path / "ceremony" / "__init__.py").touch()
    (tmp_path / "ceremony" / "device_process.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    with open_device(new_house.hsm.module, serial=new_house.serials["root"], pin=lambda: PIN) as device:
        assert device.inventory() == ()
