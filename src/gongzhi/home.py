"""Where an installation keeps its state: ``GONGZHI_HOME``, by default ``./var``."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from gongzhi.cities import DEFAULT


def home() -> Path:
    """Return the folder of all state; it may not exist yet."""
    return Path(os.environ.get("GONGZHI_HOME") or "var").absolute()


def city() -> str:
    """Return the city pack to work with: ``GONGZHI_CITY``, else the one that the home was made with, else the default."""
    said = os.environ.get("GONGZHI_CITY", "").strip()
    held = home() / "city"
    return said or (held.read_text(encoding="utf-8").strip() if held.is_file() else "") or DEFAULT


def remember_city(name: str) -> None:
    """Let later commands on this home work with this city without being told."""
    home().mkdir(parents=True, exist_ok=True)
    (home() / "city").write_text(f"{name}\n", encoding="utf-8")


def secret(name: str) -> str:
    """Return the installation's secret of this name, made on first use (mode 0600) and the same for every process."""
    folder = home() / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / name
    if not path.exists():
        put(path, secrets.token_urlsafe(48), fresh=True)
    return path.read_text()


def put(path: Path, text: str, *, fresh: bool = False) -> None:
    """Write a file whole and durable under its name, readable by its owner alone. Raises OSError, with nothing changed then.

    A ``fresh`` one never replaces what another process made first: the first wins, the others read what it wrote.
    """
    draft = path.parent / f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a key that is lost in a power cut takes all that it sealed with it
        if fresh:
            with suppress(FileExistsError):
                os.link(draft, path)
        else:
            draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink(missing_ok=True)
