"""The user of the operating system that the server runs as. PostgreSQL refuses root, and rightly."""

import os
import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gongzhi.postgres.errors import HomeUnusable, NoUser
from gongzhi.tongue import told as _

NAME = "gongzhi"


@dataclass(frozen=True)
class OsUser:
    """Who runs the server: ``switch`` is true when we are root and have to become that user first."""

    uid: int
    gid: int
    switch: bool

    def popen(self) -> dict[str, Any]:
        """Return the arguments of ``subprocess`` that start a program as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def reaches(self, folder: Path) -> bool:
        """Tell whether the user can enter the folder: tried, not guessed from permission bits."""
        if not self.switch:
            return os.access(folder, os.X_OK)
        tried = subprocess.run(
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)],
            cwd="/",
            capture_output=True,
            check=False,
            **self.popen(),
        )
        return tried.returncode == 0

    def own(self, path: Path) -> None:
        """Give one path to the user; parents are never touched."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def server_user(data: Path) -> OsUser:
    """Return the user to run the server as: ourselves; for root the owner of the data, or a system user made for it.

    :raises NoUser: root, and the system user can be neither found nor made.
    :raises HomeUnusable: the data belongs to root or, when we are not root, to somebody else.
    """
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise HomeUnusable(
                _(
                    "数据目录 {data} 属于另一个系统用户（{login}），当前用户不能使用；请换回原来的用户运行，或另设一个 GONGZHI_HOME"
                ).format(data=data, login=_login(owner))
            )
        return OsUser(os.geteuid(), os.getegid(), switch=False)
    if owner is None:
        entry = _system_user()
        return OsUser(entry.pw_uid, entry.pw_gid, switch=True)
    if owner == 0:
        raise HomeUnusable(
            _("数据目录 {data} 属于 root，PostgreSQL 拒绝使用；请运行 chown -R {name} {data} 后重试").format(
                data=data, name=NAME
            )
        )
    try:
        group = pwd.getpwuid(owner).pw_gid
    except KeyError as error:
        raise HomeUnusable(
            _("数据目录 {data} 属于本机没有的系统用户（{owner}）；请运行 chown -R {name} {data} 后重试").format(
                data=data, owner=owner, name=NAME
            )
        ) from error
    return OsUser(owner, group, switch=True)


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _system_user() -> pwd.struct_passwd:
    """Find or make the system user. Several processes may try at once: the password file is locked, so try again."""
    said = ""
    for _try in range(50):
        try:
            return pwd.getpwnam(NAME)
        except KeyError:
            pass
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if useradd is None:
            raise NoUser(
                _(
                    "以 root 运行时数据库要用一个普通系统用户，而本机没有 useradd；请自行建立系统用户 {name}，或改用普通用户运行"
                ).format(name=NAME)
            )
        made = subprocess.run(
            [
                useradd,
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/usr/sbin/nologin",
                NAME,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        said = made.stderr.strip()
        time.sleep(0 if made.returncode == 0 else 0.1)
    raise NoUser(
        _("无法建立系统用户 {name}（{value}）；请自行建立，或改用普通用户运行").format(
            name=NAME, value=said or _("useradd 失败")
        )
    )
