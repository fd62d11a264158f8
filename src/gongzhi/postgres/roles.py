"""The three roles and the database of an installation, made by a superuser once; what a real server's master does by hand.

``<name>_owner`` owns the database and migrates. ``<name>_kernel`` cannot log in and owns the functions of the one door.
``<name>_app`` logs in and goes through it. None is a superuser, none bypasses row security.
"""

import psycopg
from psycopg import sql

from gongzhi.postgres.urls import parse, url

QUIET = {
    "log_error_verbosity": "terse", "log_min_error_statement": "panic", "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}  # fmt: skip
"""Settings of the database with which the server's log quotes no row, no statement that failed, and no parameter, also where its
master lets it log slow statements: people's own words are among them."""
_LOCK = 0x676F6E67726F6C65  # roles belong to the whole server: one process at a time makes them


def prepare(admin_url: str, name: str, password: str = "") -> tuple[str, str]:
    """Make the roles and the database ``name`` where they are missing; return (application's, owner's) address.

    Both roles get the password, where one is given: a server that listens to a network asks for it.
    """
    owner, kernel, app = (sql.Identifier(f"{name}_{role}") for role in ("owner", "kernel", "app"))
    database = sql.Identifier(name)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        held = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for role, kind in (("owner", "LOGIN"), ("kernel", "NOLOGIN"), ("app", "LOGIN")):
            if f"{name}_{role}" not in held:
                connection.execute(
                    sql.SQL("CREATE ROLE {} {} NOSUPERUSER").format(sql.Identifier(f"{name}_{role}"), sql.SQL(kind))
                )
        for login in (owner, app) if password else ():
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(login, sql.Literal(password)))
        connection.execute(sql.SQL("GRANT {} TO {} WITH SET TRUE, INHERIT FALSE").format(kernel, owner))
        # Loading many records checks references by joins, for all rows at once, instead of by a trigger for each.
        connection.execute(sql.SQL("GRANT SET ON PARAMETER session_replication_role TO {}").format(kernel))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, app))
        for setting, value in QUIET.items():
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(database, sql.Identifier(setting), sql.Literal(value))
            )
    parts = parse(admin_url)
    host, port = str(parts.get("host", "localhost")), str(parts.get("port", "5432"))
    return (
        url(user=f"{name}_app", database=name, host=host, port=port, password=password or None),
        url(user=f"{name}_owner", database=name, host=host, port=port, password=password or None),
    )
