"""Backup and restore: one file with the database and the attachments, without the keys that open them.

The file is a tar: ``manifest.json``, ``database.dump`` (pg_dump's custom format, schema ``public`` without row policies, under a
key of its own that the master key wraps, in the manifest: so an old master that is dropped takes the words in its columns with
it), ``files/`` and, last, ``files.sha256`` (as sha256sum writes it): a tar cut off between two members is a whole tar to every
reader, so that only a list that comes last says that none of the attachments is missing. What is made of the declarations (schema ``kernel``, policies, grants) is not in it: it is made anew, so that a
backup of one release can be restored by a later one. Sessions are left out: everybody signs in again.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

import psycopg
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg import sql

from gongzhi.home import home
from gongzhi.kernel import keyring
from gongzhi.kernel.install.run import Roles, install
from gongzhi.kernel.install.sealed import Unreadable, seal, unseal
from gongzhi.kernel.keys import (
    KeysError,
    UnknownMasterKey,
    in_environment,
    key_file,
    keyed_hash,
    new_key,
    unwrap,
    wrap,
)
from gongzhi.postgres.wheel import binary

FORMAT = 3
_FORMATS = (1, 2, FORMAT)  # the first had no list of its files, the second a dump that anybody could read
_ROOM = "No space left"
_EMPTIED = ("django_session",)
_HELD = "database.dump"
_LISTED = "files.sha256"


class BackupError(Exception):
    """The backup cannot be made or restored; the sentence says why, and that nothing was changed."""


def save(target: Path, owner: str) -> dict[str, Any]:
    """Write a backup of the owner's database and the attachments to ``target``; return its manifest. Raises BackupError."""
    if target.exists():
        raise BackupError(_("文件 {path} 已经存在，没有覆盖它。请换一个文件名。").format(path=target))
    if not target.parent.is_dir():
        raise BackupError(_("文件夹 {path} 不存在，请先建立它。").format(path=target.parent))
    with _own_folder(target.parent) as folder:
        dump, fresh = folder / _HELD, folder / "whole.tar"
        key = new_key()
        _dump(owner, dump, key)
        with psycopg.connect(owner) as held:
            manifest = {
                "format": FORMAT, "city": settings.CITY, "at": timezone.now().isoformat(timespec="seconds"),
                "key": fingerprint(), "sealed": base64.b64encode(wrap(key)).decode(), "numbers": _numbers(held), "dump": _digest(dump),
                "records": _count(held, "register"), "entries": _count(held, "entry"),
            }  # fmt: skip
        said = folder / "manifest.json"
        said.write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
        try:
            with tarfile.open(fresh, "w") as tar:
                tar.add(said, "manifest.json")
                tar.add(dump, _HELD)
                listed = "".join(_add_files(tar)).encode()  # after the dump: whatever the dump names is there by now
                last = tarfile.TarInfo(_LISTED)
                last.size = len(listed)
                tar.addfile(last, BytesIO(listed))
            fresh.chmod(0o600)
            fresh.rename(target)
        except OSError as error:
            raise _of_disk(error) from error
    return manifest


def manifest_of(source: Path) -> dict[str, Any]:
    """Return what a backup says of itself. Raises BackupError for a file that is none."""
    try:
        with tarfile.open(source) as tar:
            first = tar.next()
            held = tar.extractfile(first) if first is not None and first.name == "manifest.json" else None
            made: Any = json.loads(held.read()) if held else None
    except FileNotFoundError as error:
        raise BackupError(_("没有文件 {path}。").format(path=source)) from error
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        raise BackupError(_("{path} 不是共治的备份文件，或已经损坏。").format(path=source)) from error
    if not isinstance(made, dict) or made.get("format") not in _FORMATS:
        raise BackupError(_("{path} 不是共治的备份文件，或已经损坏。").format(path=source))
    return made


def restore(source: Path, owner: str) -> dict[str, Any]:
    """Bring a backup into an empty installation and make the rest anew; return its manifest. Raises BackupError.

    Where anything stands in the way nothing is changed; a restore that was cut off is begun anew by the next.
    """
    manifest = manifest_of(source)
    marker, files = home() / "restoring", home() / "files"
    if not marker.exists():
        if files.is_dir() and any(files.iterdir()):
            raise BackupError(_("{path} 里已有附件，没有恢复。请恢复到一个新的 GONGZHI_HOME。").format(path=files))
        with psycopg.connect(owner) as held:
            if _one(held, "SELECT count(to_regclass('public.entry'))") and _count(held, "entry"):
                raise BackupError(_("数据库里已有数据，没有恢复。请恢复到一个空的数据库。"))
    if not in_environment() and not key_file().exists():
        raise BackupError(
            _("没有密钥文件 {path}。请先把这个备份所用的密钥文件放到那里，否则恢复的内容打不开。").format(
                path=key_file()
            )
        )
    if manifest["key"] != fingerprint():
        raise BackupError(_("现在的密钥（{path}）不是这个备份所用的。没有恢复。").format(path=keyring.place()))
    key = _key_of(manifest)
    marker.touch()
    try:
        _bring_in(source, manifest, owner, key)
    except BaseException:
        _clear(owner)
        with psycopg.connect(owner) as held:
            held.execute("CREATE SCHEMA public")
        shutil.rmtree(files, ignore_errors=True)
        marker.unlink(missing_ok=True)
        raise
    marker.unlink()
    return manifest


def fingerprint() -> str:
    """Return what tells one key file from another, and nothing of its keys."""
    return keyed_hash("backup", "which key").hex()[:16]


def _key_of(manifest: dict[str, Any]) -> bytes | None:
    """Return the key of the dump, None for a backup of before dumps had one. Raises BackupError."""
    if manifest["format"] < FORMAT:
        return None
    try:
        return unwrap(base64.b64decode(manifest["sealed"]))
    except UnknownMasterKey as error:
        raise BackupError(_("封装这个备份的主密钥已经销毁，备份再也打不开。没有恢复。")) from error
    except (KeysError, KeyError, TypeError, ValueError) as error:
        raise BackupError(_("备份文件已经损坏，没有恢复。")) from error


def _dump(owner: str, target: Path, key: bytes) -> None:
    """Dump the database into a sealed file; on the way it lies nowhere as it is. Raises BackupError."""
    emptied = [f"--exclude-table-data=public.{table}" for table in _EMPTIED]
    command = [
        str(binary("pg_dump")), "-Fc", "-n", "public", "--no-owner", "--no-privileges", "--no-policies", *emptied, "-d", owner,
    ]  # fmt: skip
    with tempfile.TemporaryFile() as said, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as process:
        try:
            seal(cast("IO[bytes]", process.stdout), target, key)
        except OSError as error:
            process.kill()
            raise _of_disk(error) from error
        if process.wait():
            said.seek(0)
            raise _failed("pg_dump", said.read().decode(errors="replace"))


def _bring_in(source: Path, manifest: dict[str, Any], owner: str, key: bytes | None) -> None:
    _clear(owner)
    with _own_folder(home()) as folder:
        try:
            with tarfile.open(source) as tar:
                tar.extractall(folder, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise BackupError(_("{path} 不是共治的备份文件，或已经损坏。").format(path=source)) from error
        except OSError as error:
            raise _of_disk(error) from error
        dump = folder / _HELD
        whole = dump.is_file() and _digest(dump) == manifest["dump"] and (manifest["format"] == 1 or _all_there(folder))
        if not whole:
            raise BackupError(_("{path} 不是共治的备份文件，或已经损坏。").format(path=source))
        if key is not None:
            dump = _opened(dump, key, source)
        for section in ("pre-data", "data"):
            _run("pg_restore", "-1", "--no-owner", "--no-privileges", f"--section={section}", "-d", owner, str(dump))
        with psycopg.connect(owner) as held:
            _into_the_past(held)
        _run("pg_restore", "-1", "--no-owner", "--no-privileges", "--section=post-data", "-d", owner, str(dump))
        if (folder / "files").is_dir():
            shutil.rmtree(home() / "files", ignore_errors=True)
            (folder / "files").rename(home() / "files")
    install()
    _number_on(manifest["numbers"])
    with psycopg.connect(owner, autocommit=True) as held:
        held.execute("ANALYZE")


def _opened(dump: Path, key: bytes, source: Path) -> Path:
    plain = dump.with_name("plain.dump")
    try:
        unseal(dump, plain, key)
    except Unreadable as error:
        raise BackupError(_("{path} 不是共治的备份文件，或已经损坏。").format(path=source)) from error
    except OSError as error:
        raise _of_disk(error) from error
    dump.unlink()
    return plain


def _add_files(tar: tarfile.TarFile) -> Iterator[str]:
    """Add the attachments to the backup; yield for each its line of the list."""
    for path in sorted((home() / "files").glob("[!.]*/[!.]*")):
        try:
            file = path.open("rb")
        except FileNotFoundError:  # erased in the meantime
            continue
        with file:
            read = _Hashing(file)
            name = f"files/{path.parent.name}/{path.name}"
            tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), read)
        yield f"{read.digest.hexdigest()}  {name}\n"


def _all_there(folder: Path) -> bool:
    """Whether the attachments are those of the list, no fewer, no more and none changed."""
    listed = folder / _LISTED
    if not listed.is_file():
        return False
    found = {f"files/{path.parent.name}/{path.name}" for path in (folder / "files").glob("*/*")}
    for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _space, name = line.partition("  ")
        if name not in found or _digest(folder / name) != digest:
            return False
        found.discard(name)
    return not found


class _Hashing:
    """A file that is hashed as it is read, so that it is read once."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        part = self.file.read(size)
        self.digest.update(part)
        return part


def _into_the_past(held: psycopg.Connection[Any]) -> None:
    """Move the restored transactions' ids before those of this server, which may have begun to count anew.

    The outbox is read in their order, below the oldest that runs: entries of the future would wait for years.
    """
    tables = [
        name for (name,) in held.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'xid'"
        )
    ]  # fmt: skip
    newest = max(
        (_one(held, sql.SQL("SELECT coalesce(max(xid), 0) FROM {}").format(sql.Identifier(name))) for name in tables),
        default=0,
    )
    ahead = newest - _one(held, "SELECT pg_current_xact_id()::text::bigint") + 1
    for name in tables if ahead > 0 else ():
        held.execute(sql.SQL("UPDATE {} SET xid = xid - %s").format(sql.Identifier(name)), [ahead])


def _numbers(held: psycopg.Connection[Any]) -> dict[str, int]:
    """Return how far the record numbers of each service have come."""
    kernel = _roles().kernel
    held.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(kernel)))
    rows = held.execute("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'kernel'").fetchall()
    held.execute("RESET ROLE")
    return {name.removeprefix("number_"): int(last or 0) for name, last in rows}


def _number_on(numbers: dict[str, int]) -> None:
    with psycopg.connect(_address()) as held:
        held.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(_roles().kernel)))
        for service, last in numbers.items():
            name = f"kernel.number_{service}"
            if last and _one(held, "SELECT count(to_regclass(%s))", [name]):
                held.execute("SELECT setval(%s::regclass, %s)", [name, last])


def _roles() -> Roles:
    return Roles.of(settings.DATABASES["default"]["USER"], settings.DATABASES["owner"]["USER"])


def _address() -> str:
    known = settings.DATABASES["owner"]
    return psycopg.conninfo.make_conninfo(
        host=known["HOST"] or None, port=known["PORT"] or None, dbname=known["NAME"], user=known["USER"],
        password=known["PASSWORD"] or None,
    )  # fmt: skip


def _clear(owner: str) -> None:
    with psycopg.connect(owner) as held:
        held.execute("DROP SCHEMA IF EXISTS public CASCADE")  # the backup brings its own
        held.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(_roles().kernel)))
        held.execute("DROP SCHEMA IF EXISTS kernel CASCADE")


def _count(held: psycopg.Connection[Any], table: str) -> int:
    return _one(held, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))


def _one(held: psycopg.Connection[Any], statement: Any, values: list[Any] | None = None) -> int:
    row = held.execute(statement, values).fetchone()
    return int(row[0]) if row else 0


def _run(name: str, *arguments: str) -> None:
    done = subprocess.run([str(binary(name)), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise _failed(name, done.stderr)


def _failed(name: str, stderr: str) -> BackupError:
    said = " ".join(stderr.split())
    if _ROOM in said:
        return BackupError(_("磁盘已满，没有完成。请清出空间后重试。"))
    return BackupError(_("{name} 没有完成：{said}").format(name=name, said=said[-400:]))


def _of_disk(error: OSError) -> BackupError:
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return BackupError(_("磁盘已满，没有完成。请清出空间后重试。"))
    return BackupError(_("无法读写文件：{reason}。").format(reason=error.strerror))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _own_folder(beside: Path) -> Iterator[Path]:
    """A folder on the same disk, for nobody else to read, gone in the end."""
    try:
        held = tempfile.TemporaryDirectory(prefix=".gongzhi-", dir=beside, ignore_cleanup_errors=True)
    except OSError as error:
        raise _of_disk(error) from error
    with held as name:
        yield Path(name)
