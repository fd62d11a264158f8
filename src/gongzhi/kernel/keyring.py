"""Where the installation's own secrets come from: a key file, the environment, or a key file that a KMS has wrapped.

* A **file** (``GONGZHI_MASTER_KEY_FILE``, else ``keys/master`` in the home): lines ``master`` and ``index``, each a key in
  Base64; the first master is in use. Made on first use where nobody named it.
* The **environment**: the same lines in ``GONGZHI_MASTER_KEY``, separated by new lines or semicolons; nothing is written.
* A **KMS** (``kernel.transit``): a key of the file stands there as the KMS wrapped it (``vault:v1:…``), and the KMS is asked to
  open it when the file is read, never again while the process lives.
"""

import base64
import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.translation import gettext as _

from gongzhi.home import home, put
from gongzhi.kernel import transit

KEY_BYTES = 32
ID_BYTES = 4
TEXT = "GONGZHI_MASTER_KEY"
FILE = "GONGZHI_MASTER_KEY_FILE"


class KeysError(Exception):
    """The base of what can go wrong with keys and ciphertexts."""


class KeyFileError(KeysError):
    """The keys are missing where they were promised, damaged, or readable by others. The sentence names the way out."""


@dataclass(frozen=True, repr=False)
class KeyRing:
    """The secrets of one installation: master keys by their id, the id in use, and the index key."""

    masters: Mapping[bytes, AESGCM]
    current: bytes
    index: bytes


_HEADER = """\
# Key file of this gongzhi installation. Without it no personal data and no history can be read, by anyone, ever.
# Keep a copy apart from the database's backups. The first "master" line is the one in use.
"""


def key_file() -> Path:
    """Return the key file's path: ``GONGZHI_MASTER_KEY_FILE``, else ``keys/master`` in GONGZHI_HOME."""
    named = os.environ.get(FILE)
    return Path(named).absolute() if named else home() / "keys" / "master"


def in_environment() -> bool:
    """Return whether the keys come from the environment. Raises KeyFileError where a file is named too."""
    if not os.environ.get(TEXT):
        return False
    if os.environ.get(FILE):
        raise KeyFileError(_("GONGZHI_MASTER_KEY 和 GONGZHI_MASTER_KEY_FILE 只能设一个。"))
    return True


def place() -> str:
    """Return where the keys come from, for a sentence: the key file's path, or the variable's name."""
    return TEXT if in_environment() else str(key_file())


def keyring() -> KeyRing:
    """Return the installation's keys, made on first use. Raises KeyFileError.

    A running process takes a changed file within a second; one that has vanished it goes on without, until it ends. So it does
    where the KMS is away that would have to open a changed file.
    """
    if text := os.environ.get(TEXT):
        return _of_text(text, os.environ.get(FILE))
    where = os.environ.get(FILE), os.environ.get("GONGZHI_HOME")
    again, stamp = _looked.get(where, (0.0, None))
    if time.monotonic() >= again:
        try:
            seen = key_file().stat()
            stamp = (seen.st_ino, seen.st_mtime_ns)
        except FileNotFoundError:
            pass
        _looked[where] = time.monotonic() + _LOOK_SECONDS, stamp
    try:
        return _load(*where, stamp)
    except transit.KmsError as error:
        if where not in _opened:
            raise KeyFileError(str(error)) from error
        _looked[where] = time.monotonic() + _KMS_SECONDS, _opened[where]
        return _load(*where, _opened[where])


_LOOK_SECONDS = 1.0
_KMS_SECONDS = 30.0
_looked: dict[tuple[str | None, str | None], tuple[float, Any]] = {}
_opened: dict[tuple[str | None, str | None], Any] = {}
"""The stamp of the file that was opened last."""


def forget_keyring() -> None:
    """Read the key file again at the next use: for tests, and after the file was changed."""
    _looked.clear()
    _opened.clear()
    for remembered in (_load, _of_text, transit.unwrap):
        remembered.cache_clear()


def look_again() -> None:
    """Look at the key file at the next use, for a key that another process may just have begun to use."""
    _looked.clear()


@lru_cache(maxsize=4)
def _of_text(text: str, _file: str | None) -> KeyRing:
    in_environment()
    try:
        return _parse(_lines(text))
    except (ValueError, KeyError, transit.KmsError) as error:
        raise KeyFileError(_("GONGZHI_MASTER_KEY 的内容不对：应是密钥文件的各行，用分号隔开。")) from error


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.replace(";", "\n").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@lru_cache(maxsize=4)
def _load(named: str | None, where: str | None, stamp: Any) -> KeyRing:
    path = key_file()  # what is remembered hangs on the two variables: making a path costs more than wrapping a key
    if not path.exists():
        if named:  # a file someone named is never invented: that would hide a typo
            raise KeyFileError(
                _("密钥文件 {path} 不存在。请检查 GONGZHI_MASTER_KEY_FILE，或放回原来的密钥文件。").format(path=path)
            )
        _make(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(64_000)
    except OSError as error:
        raise KeyFileError(
            _("读不到密钥文件 {path}：{strerror}。").format(path=path, strerror=error.strerror)
        ) from error
    if not stat.S_ISREG(mode):
        raise KeyFileError(_("{path} 不是普通文件，不能作为密钥文件。").format(path=path))
    if mode & 0o077:
        raise KeyFileError(
            _("密钥文件 {path} 可以被其他用户读取，已拒绝使用。请运行：chmod 600 '{path}'").format(path=path)
        )
    try:
        ring = _parse(_lines(content.decode("ascii")))
    except (ValueError, KeyError) as error:
        raise KeyFileError(
            _("密钥文件 {path} 已损坏。请从备份中恢复它；不要删除或新建，否则旧数据再也读不出。").format(path=path)
        ) from error
    _opened[named, where] = stamp
    return ring


def _parse(lines: list[str]) -> KeyRing:
    """Return the keys in the lines. Raises ValueError, KeyError, and KmsError."""
    masters: list[bytes] = []
    index: list[bytes] = []
    for line in lines:
        name, text = line.split()[:2]  # a master may say since when it is there
        {"master": masters, "index": index}[name].append(_key(text))
    if not masters or len(index) != 1:
        raise ValueError("one index key and at least one master key are needed")
    return KeyRing({_key_id(key): AESGCM(key) for key in masters}, _key_id(masters[0]), index[0])


def _key(text: str) -> bytes:
    key = transit.unwrap(text) if transit.is_wrapped(text) else base64.b64decode(text, validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError("a key has 32 bytes")
    return key


def key_text(key: bytes) -> str:
    """Return a key as the key file holds it: wrapped by the KMS where there is one. Raises KeyFileError."""
    try:
        return transit.wrap(key) if transit.configured() else base64.b64encode(key).decode()
    except transit.KmsError as error:
        raise KeyFileError(str(error)) from error


def protect() -> int:
    """Let the KMS wrap the keys that stand in the key file as they are; return how many. Raises KeyFileError."""
    if not transit.configured():
        raise KeyFileError(_("没有设置 GONGZHI_KMS，没有可以封装密钥文件的密钥管理系统。"))
    changed = 0

    def change(lines: list[str]) -> list[str]:
        nonlocal changed
        made = []
        for line in lines:
            name, text, *since = line.split()
            changed += not transit.is_wrapped(text)
            made.append(" ".join([name, text if transit.is_wrapped(text) else key_text(_key(text)), *since]))
        return made

    put_masters(change)
    return changed


def master_id(line: str) -> bytes | None:
    """Return the id of the master key in a line of the key file, None where the line holds none."""
    name, _space, rest = line.partition(" ")
    return _key_id(_key(rest.split()[0])) if name == "master" and rest.strip() else None


def master_dates() -> dict[bytes, date]:
    """Return since when each master key is in the file, by its id, as far as the file says."""
    dates = {}
    for line in _lines(os.environ.get(TEXT) or key_file().read_text(encoding="ascii")):
        name, parts = master_id(line), line.split()
        if name is not None and len(parts) == 3:
            with suppress(ValueError):
                dates[name] = date.fromisoformat(parts[2])
    return dates


def writable() -> None:
    """Raise KeyFileError where the keys come from the environment, which is not ours to write."""
    if in_environment():
        raise KeyFileError(
            _(
                "主密钥来自 GONGZHI_MASTER_KEY，平台不能改写它。请在环境里换好后逐个重启进程，再运行 gongzhi keys rewrap。"
            )
        )


def put_masters(change: Callable[[list[str]], list[str]]) -> None:
    """Write the key file anew, whole and durable, with its lines changed. Raises KeyFileError: nothing was changed then."""
    writable()
    with _alone(key_file().parent):  # two at once would lose a master, and all that it wraps by then
        _put_masters(change)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _put_masters(change: Callable[[list[str]], list[str]]) -> None:
    keyring()
    path = key_file()
    content = _HEADER + "".join(f"{line}\n" for line in change(_lines(path.read_text(encoding="ascii"))))
    try:
        _parse(_lines(content))
    except transit.KmsError as error:
        raise KeyFileError(str(error)) from error
    try:
        put(path, content)
    except OSError as error:
        raise KeyFileError(
            _("写不了密钥文件 {path}：{strerror}。").format(path=path, strerror=error.strerror)
        ) from error
    forget_keyring()


def _key_id(master: bytes) -> bytes:
    return hashlib.sha256(b"gongzhi master key id\0" + master).digest()[:ID_BYTES]


def _make(path: Path) -> None:
    """Write a fresh key file, or leave the one that another process made first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [f"{name} {key_text(secrets.token_bytes(KEY_BYTES))}\n" for name in ("master", "index")]
    put(path, _HEADER + "".join(lines), fresh=True)
