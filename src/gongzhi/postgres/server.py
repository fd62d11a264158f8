"""The embedded server: made, started, joined and stopped, by any number of processes, some of which may have been killed.

Truth is what ``pg_isready`` says on the server's own socket; process ids in files are hints. One lock file serialises
starting and stopping; another is held shared by every process that uses the server, so that the last one to leave stops
it. The kernel drops both locks when a process dies.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gongzhi.postgres.errors import DiskFull, HomeUnusable, NotStarted, WrongVersion
from gongzhi.postgres.osuser import OsUser, server_user
from gongzhi.postgres.urls import url
from gongzhi.postgres.wheel import SHARED, major, programs_for
from gongzhi.tongue import told as _

SUPERUSER = "postgres"
_SOCKET = ".s.PGSQL.5432"
_LONGEST = 100  # bytes of a socket's path; the system's limit is 107 on Linux, 103 on macOS
_PATIENCE = 120.0  # seconds that crash recovery may take
_ORPHANS = 10.0  # seconds that the backends of a killed server may take to notice and go
_LOG_BYTES = 20_000_000
_LEAST = 1_000_000  # bytes without which a server cannot start
_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off")


class Server:
    """The server whose data lie in ``home/postgres``. ``durable=False`` is for tests: faster, lost in a power cut."""

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.folder = home.resolve() / "postgres"  # one server, by whatever name its home is called
        self.elsewhere = self.folder / "elsewhere"
        self.log = self.folder / "server.log"
        self.durable = durable
        self._use: IO[str] | None = None
        self._user: OsUser | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> Path:
        """The folder of data and socket: the home's own, or one below ``/var/lib`` that the file ``elsewhere`` names.

        The second is for root whose home nobody else may enter: the server runs as another user and could not reach it,
        and opening the home to everybody is not for us to do.
        """
        try:
            return Path(self.elsewhere.read_text(encoding="utf-8").strip())
        except OSError:
            return self.folder

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.place / "data"

    @property
    def user(self) -> OsUser:
        """The user of the operating system that the server runs as."""
        if self._user is None:
            self._user = server_user(self.data)
        return self._user

    @property
    def socket_folder(self) -> Path:
        """The folder of the server's socket: beside the data, or, where that path is too long or odd, a short one."""
        beside = self.place / "run"
        plain = str(beside).isascii() and not set(str(beside)) & set(" ,\"'\\")
        if plain and len(os.fsencode(beside / _SOCKET)) <= _LONGEST:
            return beside
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"gongzhi-{name}"

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return the address of a database on this server."""
        return url(user=user, database=database, host=str(self.socket_folder))

    def start(self) -> str:
        """Make the data folder if need be, start the server or join the running one; return the superuser's address.

        :raises PostgresError: one of its kinds, with the way out.
        """
        self._make_folder()
        with self._alone():
            self._make_data()
            if not self.ready():
                self._end_stale()
                self._launch()
            self._join()
        return self.url()

    def stop(self) -> bool:
        """Leave the server, and stop it if nobody else uses it; return whether it was stopped."""
        if self._use is not None:
            self._use.close()
            self._use = None
        with self._alone(), (self.folder / "users").open("a") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if not self._pid():
                return False
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "60")
            if self._process is not None:
                self._process.wait()
            with suppress(OSError):  # a short one lies among everybody's temporary files
                self.socket_folder.rmdir()
        return True

    def ready(self) -> bool:
        """Return whether the server answers."""
        return (
            self._run("pg_isready", "-q", "-h", str(self.socket_folder), "-U", SUPERUSER, "-d", "postgres").returncode
            == 0
        )

    # --- folders ------------------------------------------------------------------------------------------------

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in ("lock", "users"):
                (self.folder / name).touch()
        except OSError as error:
            raise _unusable(self.folder, error) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _join(self) -> None:
        if self._use is None:
            self._use = (self.folder / "users").open("a")
            fcntl.flock(self._use, fcntl.LOCK_SH)

    def _make_data(self) -> None:
        if (self.data / "PG_VERSION").exists():
            found = (self.data / "PG_VERSION").read_text().strip()
            if found != str(major()):
                raise WrongVersion(
                    _(
                        "数据目录 {data} 是 PostgreSQL {found} 建立的，这个版本用的是 {major}。请先用原来版本的程序备份（pg_dumpall），把这个目录改名，再在新版本里恢复。"
                    ).format(data=self.data, found=found, major=major())
                )
            return
        if self.data.exists() and any(self.data.iterdir()):
            raise HomeUnusable(
                _("数据目录 {data} 不是完整的数据库。请从备份恢复，或把它改名后重新初始化。").format(data=self.data)
            )
        fresh = self.place / "data.new"  # renamed when whole: a killed initdb leaves nothing that looks like data
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(mode=0o700)
            self.user.own(fresh)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        if not self.user.reaches(fresh):
            shutil.rmtree(fresh, ignore_errors=True)
            if not self.user.switch or self.elsewhere.exists():
                raise HomeUnusable(
                    _("运行数据库的系统用户进不了 {place}。请把 GONGZHI_HOME 设到它能进入的位置。").format(
                        place=self.place
                    )
                )
            self._move_elsewhere()
            self._make_data()
            return
        made = self._run(
            "initdb", "-D", str(fresh), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale-provider=builtin",
            "--locale=C.UTF-8", "--no-sync", "--no-instructions",
        )  # fmt: skip
        if made.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            if "No space left" in made.stderr:
                raise _full(self.folder)
            raise NotStarted(_("无法在 {data} 建立数据库：{last}").format(data=self.data, last=_last(made.stderr)))
        if self.data.exists():
            self.data.rmdir()
        fresh.rename(self.data)

    def _move_elsewhere(self) -> None:
        """Choose a folder that the server's user can reach, and write down which."""
        try:
            SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
            chosen = tempfile.mkdtemp(prefix="home-", dir=SHARED)
            os.chmod(chosen, 0o711)  # noqa: PTH101, S103 (passed through to the data, which are the server's alone)
            self.elsewhere.write_text(f"{chosen}\n", encoding="utf-8")
        except OSError as error:
            raise _unusable(SHARED, error) from error

    def _make_socket_folder(self) -> None:
        folder = self.socket_folder
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            held = folder.lstat()
            if folder.is_symlink() or held.st_uid not in {self.user.uid, os.geteuid()}:  # laid there by a stranger
                raise HomeUnusable(
                    _("目录 {folder} 属于别的系统用户，不能用来连接数据库。请删除它后重试。").format(folder=folder)
                )
            self.user.own(folder)
            folder.chmod(0o700)
        except OSError as error:
            raise _unusable(folder, error) from error

    # --- the process --------------------------------------------------------------------------------------------

    def _pid(self) -> int:
        """Return the id of the postmaster of this data folder, 0 where none runs. A file may name a stranger."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return 0
        return pid if str(self.data) in _arguments(pid) else 0

    def _end_stale(self) -> None:
        """Clear what a killed server left; a living one that does not answer (socket swept away) is stopped."""
        if self._pid():
            if self._wait(5.0):
                return
            self._run("pg_ctl", "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "60")
        if not self._pid():
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> None:
        if self.ready():
            return
        self._make_socket_folder()
        options = [
            "-c",
            "listen_addresses=",
            "-c",
            f"unix_socket_directories={self.socket_folder}",
            "-c",
            "max_connections=200",
            "-c",
            "log_error_verbosity=terse",  # a refusal's detail quotes the row
        ]
        options += [] if self.durable else _FAST
        end = time.monotonic() + _ORPHANS
        while True:
            said_before = self._spawn(options)
            if self._wait(_PATIENCE):
                return
            said = self._said(said_before)
            if "No space left" in said or shutil.disk_usage(self.place).free < _LEAST:  # its log is cut short too
                raise _full(self.folder)
            left_behind = "shared memory" in said or "lock file" in said
            if not left_behind or time.monotonic() > end:
                raise NotStarted(_("数据库没有启动：{last}。详细记录在 {log}。").format(last=_last(said), log=self.log))
            self._end_stale()
            time.sleep(0.2)

    def _spawn(self, options: list[str]) -> int:
        """Start the postmaster itself, pg_ctl would hand the paths to a shell; return where its log begins."""
        with self._server_log().open("a") as log:
            begins = log.tell()
            self._process = subprocess.Popen(
                [str(programs_for(self.user) / "postgres"), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), cwd="/", umask=0o077,
                start_new_session=True, **self.user.popen(),
            )  # fmt: skip
            return begins

    def _server_log(self) -> Path:
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        if not self.log.exists():
            self.log.touch()
        if os.geteuid() == 0:
            self.user.own(self.log)
        return self.log

    def _said(self, begins: int) -> str:
        try:
            return self.log.read_bytes()[begins:].decode(errors="replace")
        except OSError:
            return ""

    def _wait(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not self.ready():
            if time.monotonic() > end or (self._process is not None and self._process.poll() is not None):
                return self.ready()
            time.sleep(0.05)
        return True

    def _run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = str(programs_for(self.user) / name)
        with tempfile.TemporaryFile(
            "w+", encoding="utf-8", errors="replace"
        ) as said:  # no pipe: the server would keep it
            done = subprocess.run(
                [path, *arguments], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=_environment(),
                cwd="/", umask=0o077, **self.user.popen(),
            )  # fmt: skip
            said.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, "", said.read())


def _arguments(pid: int) -> list[str]:
    """Return the arguments that a living process was started with; none for who is gone, or dead and not yet reaped."""
    folder = Path("/proc") / str(pid)
    if Path("/proc/self").exists():  # a bare system has no ps
        try:
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return []
            return os.fsdecode((folder / "cmdline").read_bytes()).split("\0")
        except OSError:
            return []
    seen = subprocess.run(
        ["ps", "-ww", "-o", "stat=", "-o", "command=", "-p", str(pid)], capture_output=True, text=True
    )
    state, _other, command = seen.stdout.strip().partition(" ")
    before, found, after = command.partition(" -D ")
    return [] if not found or state.startswith("Z") else [before, "-D", after.partition(" -c listen_addresses=")[0]]


def _environment() -> dict[str, str]:
    """Return the environment without what would point PostgreSQL's programs elsewhere, and without keys and passwords of ours.

    The server runs as another user, and its superuser can read its environment: a master key is nothing for it.
    """
    ours = ("PG", "LC_", "DATABASE_", "GONGZHI_MASTER", "GONGZHI_KMS", "GONGZHI_SMTP", "GONGZHI_SMPP", "GONGZHI_OIDC")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {"LC_ALL": "C"}


def _full(folder: Path) -> DiskFull:
    return DiskFull(
        _("磁盘已满，数据库无法写入 {folder}。请清出空间，或把 GONGZHI_HOME 设到更大的磁盘上。").format(folder=folder)
    )


def _unusable(folder: Path, error: OSError) -> DiskFull | HomeUnusable:
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return _full(folder)
    return HomeUnusable(
        _("目录 {folder} 不能使用：{strerror}。请检查权限，或另设一个 GONGZHI_HOME。").format(
            folder=folder, strerror=error.strerror
        )
    )


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or [_("没有说明")])[-1]
