"""Connection addresses: made, and read into what Django's backend takes."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gongzhi.postgres.errors import BadUrl
from gongzhi.tongue import told as _

_NAMED = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def url(
    *, user: str, database: str, host: str, port: int | str = 5432, password: str | None = None, **parameters: str
) -> str:
    """Return a ``postgresql://`` address. A host that begins with ``/`` is the folder of a unix socket."""
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    if host.startswith("/"):
        place, parameters = "", {"host": host, "port": str(port), **parameters}
    else:
        place = f"{f'[{host}]' if ':' in host else host}:{port}"
    tail = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return f"postgresql://{login}@{place}/{quote(database, safe='')}" + (f"?{tail}" if tail else "")


def parse(address: str) -> dict[str, Any]:
    """Return the address's parts under libpq's names (``dbname``, ``user``, ``host``, …).

    :raises BadUrl: if libpq does not understand it, or it names no database or no user.
    """
    try:
        parts = conninfo_to_dict(address)
    except (psycopg.ProgrammingError, UnicodeError) as error:
        raise BadUrl(
            _("数据库地址无法识别：{error}。应形如 postgresql://用户:密码@主机:5432/库名").format(
                error=str(error).strip()
            )
        ) from error
    for name, title in (("dbname", _("库名")), ("user", _("用户"))):
        if not parts.get(name):
            raise BadUrl(_("数据库地址缺少{title}，应形如 postgresql://用户:密码@主机:5432/库名").format(title=title))
    return parts


def with_database(address: str, database: str) -> str:
    """Return the same address naming another database on the same server."""
    parts = {name: str(value) for name, value in parse(address).items()}
    parts.pop("dbname")
    return url(
        user=parts.pop("user"),
        database=database,
        host=parts.pop("host", "localhost"),
        port=parts.pop("port", "5432"),
        password=parts.pop("password", None),
        **parts,
    )


def connection_settings(address: str, *, options: dict[str, Any]) -> dict[str, Any]:
    """Return Django's settings of one connection. An empty address gives a connection that says so when it is used.

    Connections stay open, one per thread: a pool gained nothing over that (``docs/performance.md``). Each is asked for
    a sign of life before a request's first query, so a database that was restarted costs no failed page.
    """
    settings: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "",
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 10, "application_name": "gongzhi", **options},
    }
    if address:
        for name, value in parse(address).items():
            if name in _NAMED:
                settings[_NAMED[name]] = str(value)
            else:
                settings["OPTIONS"][name] = value
    return settings


def address_of(settings: Mapping[str, Any]) -> str:
    """Return the address that such settings were made of, for a process that is started: the way back."""
    parts = {name: str(settings[key]) for name, key in _NAMED.items() if settings.get(key)}
    more = {name: value for name, value in settings["OPTIONS"].items() if isinstance(value, str)}
    return url(
        user=parts.get("user", ""), database=parts.get("dbname", ""), host=parts.get("host", "localhost"),
        port=parts.get("port", "5432"), password=parts.get("password"), **more,
    )  # fmt: skip
