"""The master key from a file, from the environment, or from a file that a KMS has wrapped; changed without stopping in each."""

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gongzhi.kernel import keyring, keys, rotation, transit
from gongzhi.kernel.act import Done
from tests.kernel.people import People
from tests.kernel.test_rotation import Make, filled, readable

__all__ = ["filled"]  # a fixture of another module

TOKEN = "s.0123456789"


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with no key yet."""
    monkeypatch.setenv("GONGZHI_HOME", str(tmp_path / "home"))
    for name in (keyring.TEXT, keyring.FILE, transit.URL, transit.TOKEN_FILE):
        monkeypatch.delenv(name, raising=False)
    keyring.forget_keyring()
    yield tmp_path
    monkeypatch.undo()
    keyring.forget_keyring()


def text(*numbers: int, index: int = 200) -> str:
    lines = [f"master {base64.b64encode(bytes([number]) * 32).decode()} 2026-01-0{number}" for number in numbers]
    return "; ".join([*lines, f"index {base64.b64encode(bytes([index]) * 32).decode()}"])


def test_keys_from_the_environment(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keyring.TEXT, text(1))
    wrapped = keys.wrap(key := keys.new_key())
    assert not keyring.key_file().exists()
    assert keys.unwrap(wrapped) == key
    assert [str(day) for day in keyring.master_dates().values()] == ["2026-01-01"]
    monkeypatch.setenv(keyring.TEXT, text(1).replace("; ", "\n"))
    assert keys.unwrap(wrapped) == key
    monkeypatch.setenv(keyring.TEXT, text(2))
    with pytest.raises(keys.UnknownMasterKey):
        keys.unwrap(wrapped)
    for change in (rotation.rotate, keyring.protect):
        with pytest.raises(keys.KeyFileError):
            change()


def test_a_rolling_restart_changes_a_key_of_the_environment(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First every process knows the new key, then every process uses it: at no step does one wrap what another cannot open."""
    steps, wrapped = (text(1), text(1, 2), text(2, 1)), []
    for before, after in pairwise(steps):
        for mine, theirs in ((before, after), (after, before)):
            monkeypatch.setenv(keyring.TEXT, mine)
            made = keys.wrap(key := keys.new_key())
            wrapped.append((made, key))
            monkeypatch.setenv(keyring.TEXT, theirs)
            assert keys.unwrap(made) == key
    monkeypatch.setenv(keyring.TEXT, steps[-1])
    assert all(keys.unwrap(made) == key for made, key in wrapped)


@pytest.mark.parametrize("wrong", ["x", "master abc", "index " + "A" * 43 + "=", text(1) + ";" + text(1), "胡写", ";"])
def test_nonsense_in_the_environment_is_told(own_home: Path, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv(keyring.TEXT, wrong)
    with pytest.raises(keys.KeyFileError, match="GONGZHI_MASTER_KEY") as refused:
        keys.wrap(keys.new_key())
    assert wrong not in str(refused.value) or wrong in ("x", ";")


def test_both_sources_at_once_are_refused(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keyring.TEXT, text(1))
    monkeypatch.setenv(keyring.FILE, "/nowhere")
    with pytest.raises(keys.KeyFileError, match="只能设一个"):
        keys.wrap(keys.new_key())


@pytest.fixture
def kms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A KMS, a process of its own."""
    server = Path(__file__).with_name("transit_server.py")
    with subprocess.Popen([sys.executable, str(server), TOKEN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        monkeypatch.setenv(transit.URL, f"http://127.0.0.1:{port}/v1/transit/city")
        monkeypatch.setenv(transit.TOKEN_FILE, str(tmp_path / "token"))
        keyring.forget_keyring()
        yield process
        process.kill()
    monkeypatch.undo()
    keyring.forget_keyring()


def held() -> str:
    return keyring.key_file().read_text()


def test_a_key_file_that_the_kms_wraps_holds_no_key(own_home: Path, kms: Any) -> None:
    wrapped = keys.wrap(key := keys.new_key())
    lines = [line for line in held().splitlines() if not line.startswith("#")]
    assert [line.split()[1].startswith("vault:v1:") for line in lines] == [True, True]
    keyring.forget_keyring()
    assert keys.unwrap(wrapped) == key


def test_a_plain_file_comes_under_the_kms_and_stays_the_same_keys(
    own_home: Path, monkeypatch: pytest.MonkeyPatch, kms: Any
) -> None:
    address = monkeypatch
    with address.context() as without:
        without.delenv(transit.URL)
        wrapped, plain = keys.wrap(key := keys.new_key()), held()
        with pytest.raises(keys.KeyFileError, match="GONGZHI_KMS"):
            keyring.protect()
    before = keyring.keyring().index
    assert keyring.protect() == 2
    assert keyring.protect() == 0
    assert not [line for line in held().splitlines() if line in plain.splitlines() and not line.startswith("#")]
    assert keyring.keyring().index == before
    assert keys.unwrap(wrapped) == key
    with address.context() as without:
        without.delenv(transit.URL)
        keyring.forget_keyring()
        with pytest.raises(keys.KeyFileError, match="GONGZHI_KMS"):
            keys.unwrap(wrapped)


def test_rotation_under_the_kms(
    crew: People, filled: Done, request_in: Make, kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the very home of the tests, so that what the database holds is wrapped anew and opens."""
    keyring.protect()
    done = rotation.rotate(wait=0)
    assert done["record_key"] >= 1
    assert held().count("vault:v1:") >= 3
    readable(crew, filled)
    old = next(one for one in rotation.masters() if not one.current)
    rotation.drop(old.id)
    keyring.forget_keyring()
    readable(crew, filled)
    plain = "".join(
        f"{line.split()[0]} {base64.b64encode(keyring._key(line.split()[1])).decode()}\n"
        for line in keyring._lines(held())
    )
    keyring.key_file().write_text(plain)  # what follows has no KMS


def test_a_running_process_goes_on_while_the_kms_is_away(own_home: Path, kms: subprocess.Popen[str]) -> None:
    wrapped = keys.wrap(key := keys.new_key())
    kms.kill()
    kms.wait()
    path = keyring.key_file()
    path.write_text(
        path.read_text().replace("master vault:v1:", "master vault:v1:AAAA")
    )  # a change that it cannot open
    path.chmod(0o600)
    keyring.look_again()
    assert keys.unwrap(wrapped) == key
    code = "import django\ndjango.setup()\nfrom gongzhi.kernel import keys\ntry:\n    keys.keyring()\nexcept keys.KeyFileError as error:\n    print(error)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "连不上密钥管理系统 127.0.0.1" in said


@pytest.mark.parametrize(
    ("address", "token", "said"),
    [
        ("/v1/transit/city", "wrong", "403"),
        ("/v1/transit/nobody", TOKEN, "404"),
        ("/v1/transit/moved/city", TOKEN, "307"),
        ("/v1/odd/city", TOKEN, "看不懂"),
        ("/v1/transit/city", "", "令牌"),
        ("/v1/transit/city", "a\nb", "令牌"),
        ("/city", TOKEN, "GONGZHI_KMS"),
        ("/v1/transit/ci ty", TOKEN, "GONGZHI_KMS"),
    ],
)
def test_what_the_kms_does_not_do_is_told_in_a_sentence(
    own_home: Path, kms: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, token: str, said: str
) -> None:
    import os

    base = os.environ[transit.URL].removesuffix("/v1/transit/city")
    monkeypatch.setenv(transit.URL, base + address)
    (tmp_path / "token").write_text(token)
    with pytest.raises(keys.KeyFileError, match=said) as refused:
        keys.wrap(keys.new_key())
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "address", ["http://kms.example.org/v1/transit/city", "ftp://127.0.0.1/v1/transit/city", "x", "https://[/v1/a/b"]
)
def test_the_token_goes_nowhere_in_the_open(
    own_home: Path, kms: Any, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(transit.URL, address)
    with pytest.raises(keys.KeyFileError, match="https"):
        keys.wrap(keys.new_key())


def test_two_changes_of_the_file_at_once_lose_none(own_home: Path) -> None:
    """A rotation beside another, or beside a KMS that takes its time: the second reads what the first wrote."""
    fresh = [f"master {base64.b64encode(bytes([number]) * 32).decode()}" for number in (1, 2)]

    def add(line: str) -> None:
        def change(lines: list[str]) -> list[str]:
            time.sleep(0.2)
            return [*lines, line]

        keyring.put_masters(change)

    keyring.keyring()
    with ThreadPoolExecutor(2) as two:
        list(two.map(add, fresh))
    assert set(fresh) < set(keyring.key_file().read_text(encoding="ascii").splitlines())
