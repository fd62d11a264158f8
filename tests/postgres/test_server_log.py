"""What PostgreSQL itself writes down: faults by their names, never the words that were in the statement."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from gongzhi.postgres.roles import QUIET, prepare
from gongzhi.postgres.server import Server
from tests.conftest import Foreign

SECRET = "欧阳翡翠住在月光巷七号"


@pytest.fixture
def prepared(server: Server) -> Iterator[str]:
    """The owner's address of a database whose roles log every statement, as a master does who looks for slow ones."""
    _app, owner = prepare(server.url(), "logged")
    try:
        with psycopg.connect(server.url(), autocommit=True) as root:
            root.execute("ALTER ROLE logged_owner SET log_min_duration_statement = 0")
        yield owner
    finally:
        with psycopg.connect(server.url(), autocommit=True) as root:
            root.execute("DROP DATABASE logged WITH (FORCE)")


def test_the_servers_log_quotes_nobody(server: Server, prepared: str) -> None:
    with psycopg.connect(prepared, autocommit=True) as line:
        kept = line.execute(
            "SELECT name, setting, source FROM pg_settings WHERE name = ANY (%s)", [list(QUIET)]
        ).fetchall()
        assert {name: value for name, value, _source in kept} == QUIET
        if isinstance(server, Foreign):
            pytest.skip("its log is another machine's")
        begins = server.log.stat().st_size
        line.execute("CREATE TABLE told (words text UNIQUE, short varchar(3), positive int CHECK (positive > 0))")
        line.execute("INSERT INTO told (words) VALUES (%s)", [SECRET])  # slow, to the server
        provoked = [
            ("INSERT INTO told (words) VALUES (%s)", [SECRET], psycopg.errors.UniqueViolation),
            ("INSERT INTO told (words, positive) VALUES (%s, -1)", [f"{SECRET}2"], psycopg.errors.CheckViolation),
            ("INSERT INTO told (short) VALUES (%s)", [SECRET], psycopg.errors.StringDataRightTruncation),
            ("SELECT 1 / length(replace(%s::text, %s, ''))", [SECRET, SECRET], psycopg.errors.DivisionByZero),
            ("SELECT pg_sleep(2), %s::text", [SECRET], psycopg.errors.QueryCanceled),
        ]  # fmt: skip
        line.execute("SET statement_timeout = 200")
        for statement, values, fault in provoked:
            with pytest.raises(fault):
                line.execute(statement, values)  # type: ignore[call-overload]
        with pytest.raises(psycopg.errors.DivisionByZero):  # a client that writes values into the statement
            line.execute(sql.SQL("SELECT 1 / 0, {}").format(sql.Literal(SECRET)))
    said = server.log.read_bytes()[begins:].decode()
    assert "told_words_key" in said
    assert "duration" in said
    assert "statement timeout" in said
    assert SECRET not in said
