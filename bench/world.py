"""Cities with a million and five million records, made once by set-based SQL and kept for the next run.

They lie in ``GONGZHI_BENCH_HOME`` (else a folder of the temporary directory), below a name made of the SQL that fills
them: whoever changes the SQL gets new ones. Functions, policies and migrations are the product's of today, brought up at
every opening. Records lie in every place of the tree and with every agency, the busy ones more often; 8 % are open; the
words of 200,000 texts are the city pack's own stories. ``python -m bench.world NAME`` fills one.
"""

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from bench.city import PASSWORD, hang_up, install_city
from gongzhi.postgres.roles import prepare
from gongzhi.postgres.server import Server
from gongzhi.postgres.urls import with_database

YEARS = 3
TEXTS = 200_000
"""Records whose words can be found, the newest ones."""


@dataclass(frozen=True)
class World:
    """A filled city: the addresses of the application, of its owner, and of the server's master."""

    name: str
    app: str
    owner: str
    admin: str


SIZES = {"tiny": 20_000, "one": 1_000_000, "five": 5_000_000}
"""Records of each world; ``one`` has every act of a record in its history, ``five`` two."""

_SHAPE = """
CREATE TEMP TABLE spot AS SELECT row_number() OVER (ORDER BY md5(path)) - 1 AS n, id, path, coalesce(lon, 119.02) AS lon,
    coalesce(lat, 33.6) AS lat FROM place WHERE level IN ('village', 'grid') AND ended_on IS NULL;
CREATE TEMP TABLE office AS SELECT row_number() OVER (ORDER BY md5(code)) - 1 AS n, id FROM agency WHERE kind = 'agency';
CREATE UNIQUE INDEX ON spot (n);
CREATE UNIQUE INDEX ON office (n);
CREATE UNIQUE INDEX ON said (n);
ANALYZE spot; ANALYZE office; ANALYZE said;
"""

# Squares of a random number make the first places and offices busy, as a city's centre and its city management are. What is
# open came in the last tenth of the time.
_REGISTER = """
INSERT INTO register (id, service, number, title, stage, agency_id, place_id, place_path, lon, lat, channel, filed_by_id,
    opened_at, stage_at, due_at, amber_at, due_source, paused_at, closed_at, alert, version, entries, head)
SELECT k.id, 'request', 'SQ' || extract(year FROM opened)::int || lpad(i::text, 8, '0'), s.title, stage,
    CASE stage WHEN 'filed' THEN {dispatch} WHEN 'coordinating' THEN {centre} ELSE o.id END, p.id, p.path,
    CASE WHEN b < 0.7 THEN p.lon + c / 20 END, CASE WHEN b < 0.7 THEN p.lat + b / 20 END,
    (ARRAY['call', 'call', 'call', 'portal', 'grid'])[1 + floor(b * 5)::int], {post}, opened, moved,
    CASE WHEN stage IN ('closed', 'invalid', 'merged') THEN NULL ELSE due END,
    CASE WHEN stage NOT IN ('closed', 'invalid', 'merged', 'answered') THEN due - interval '1 day' END,
    CASE WHEN stage IN ('closed', 'invalid', 'merged', 'answered') THEN '' ELSE '本市规定' END,
    CASE WHEN stage = 'working' AND c < 0.03 THEN moved END,
    CASE WHEN stage IN ('closed', 'invalid', 'merged') THEN moved END,
    CASE WHEN due < now() AND stage = 'working' THEN 1 ELSE 0 END, {entries}, {entries}, sha256(uuid_send(k.id))
FROM (SELECT i, uuidv7(opened - now()) AS id, opened, stage, a, b, c,
             CASE WHEN stage IN ('closed', 'invalid', 'merged') THEN least(now(), opened + d * interval '9 days')
                  ELSE greatest(opened, now() - d * interval '9 days') END AS moved,
             now() + (d * 11 - 1.2) * interval '1 day' AS due
      FROM (SELECT i, now() - interval '{years} years' * (({all} - i)::float / {all}) AS opened, random() AS a, random() AS b,
                   random() AS c, random() AS d,
                   CASE WHEN r < 0.008 THEN 'filed' WHEN r < 0.02 THEN 'assigned' WHEN r < 0.055 THEN 'working'
                        WHEN r < 0.056 THEN 'coordinating' WHEN r < 0.08 THEN 'answered' WHEN r < 0.13 THEN 'invalid'
                        WHEN r < 0.15 THEN 'merged' ELSE 'closed' END AS stage
            FROM (SELECT i, CASE WHEN i > 0.9 * {all} THEN random() * 0.1 ELSE 0.08 + random() * 0.92 END AS r
                  FROM generate_series({low}, {high}::bigint) i) g) h) k
JOIN spot p ON p.n = floor(k.a * k.a * (SELECT count(*) FROM spot))::int
JOIN office o ON o.n = floor(k.b * k.b * (SELECT count(*) FROM office))::int
JOIN said s ON s.n = k.i % {texts}
ORDER BY i
"""

_FACTS = """
INSERT INTO request (record_id, detail, nature, category, address, channel, answer, rating, refusals, asked_days, reopened,
                     more)
SELECT r.id, s.detail, s.nature, s.category, '淮海路' || (i % 500) || '号', r.channel,
    CASE WHEN r.closed_at IS NULL AND r.stage <> 'answered' THEN '' ELSE '已到现场查看并处理，请您监督。' END,
    CASE WHEN r.stage = 'closed' THEN (1 + i % 5)::text ELSE '' END, CASE WHEN i % 19 = 0 THEN 1 ELSE 0 END,
    CASE WHEN r.stage = 'working' AND i % 23 = 0 THEN 3 ELSE 0 END, CASE WHEN i % 41 = 0 THEN 1 ELSE 0 END, '{{}}'
FROM (SELECT *, right(number, 8)::bigint AS i FROM register WHERE service = 'request') r
JOIN said s ON s.n = r.i % {texts}
"""

_LINES = """
INSERT INTO entry (id, record_id, seq, at, recorded_at, post_id, account_id, agency_id, action, stage_from, stage_to,
                   version, alg, body, hash)
SELECT uuidv7(e.at - now()), r.id, e.seq, e.at, e.at, {post}, {account}, CASE WHEN e.seq = 1 THEN {dispatch} ELSE r.agency_id END,
    e.action, e.was, e.came, e.seq, 'sha256',
    '{{"account":1,"action":"' || e.action || '","at":"2026-01-01T00:00:00.000000Z","from":"' || e.was || '","record":"'
    || r.id || '","set":{{}},"to":"' || e.came || '","version":' || e.seq || ',"with":{{}},"filler":"' || repeat('0', 160) || '"}}',
    sha256(r.id::text::bytea || e.seq::text::bytea)
FROM register r,
LATERAL (SELECT seq, action, was, came, r.opened_at + (r.stage_at - r.opened_at) * (seq - 1) / 4.0 AS at
         FROM (VALUES (1, 'file', '', 'filed'), (2, 'assign', 'filed', 'assigned'), (3, 'accept', 'assigned', 'working'),
                      (4, 'answer', 'working', 'answered'), (5, 'rate', 'answered', 'closed'))
              AS v(seq, action, was, came)
         WHERE seq <= r.entries) e
WHERE r.service = 'request'
"""

_REST = (
    """
    INSERT INTO record_key (record_id) SELECT id FROM register WHERE service = 'request'
    """,
    """
    INSERT INTO party (id, record_id, role, known) SELECT uuidv7(opened_at - now()), id, 'asker', 'name phone' FROM register
        WHERE service = 'request'
    """,
    """
    INSERT INTO deadline_kept (record_id, agency_id, stage, started_at, due_at, met_at, source)
    SELECT r.id, r.agency_id, v.stage, r.opened_at, r.opened_at + v.given, r.opened_at + v.given * (0.2 + random()), '本市规定'
    FROM register r, (VALUES ('assigned', interval '2 days'), ('working', interval '5 days')) AS v(stage, given)
    WHERE r.stage IN ('closed', 'answered')
    """,
    """
    INSERT INTO notice (record_id, agency_id, kind, about, at, once, spread)
    SELECT id, agency_id, 'assigned', jsonb_strip_nulls(jsonb_build_object('due', due_at, 'action', 'accept')), stage_at,
        'bench ' || id, true FROM register
    WHERE service = 'request' AND (closed_at IS NULL OR opened_at > now() - interval '90 days')
    """,
    """
    INSERT INTO task (id, record_id, title, agency_id, due_at, done_at, entry_id)
    SELECT uuidv7(), r.id, '到现场看一看', r.agency_id, r.stage_at + interval '3 days',
        CASE WHEN random() < 0.9 THEN r.stage_at + interval '1 day' END, e.id
    FROM register r JOIN entry e ON e.record_id = r.id AND e.seq = 1 WHERE r.stage = 'working' AND random() < 0.1
    """,
    """
    INSERT INTO register_words (record_id, words)
    SELECT r.id, array_to_tsvector(string_to_array(s.words, ' '))
    FROM (SELECT id, right(number, 8)::bigint AS i FROM register WHERE service = 'request' ORDER BY id DESC LIMIT {texts}) r
    JOIN said s ON s.n = r.i % {texts}
    """,
)
_BESIDE = ("register", "request", "entry", "record_key", "party", "deadline_kept", "notice", "task", "register_words")


def home() -> Path:
    """Return the folder of the kept worlds, named by the SQL that fills them."""
    text = "".join((_SHAPE, _REGISTER, _FACTS, _LINES, *_REST, str(SIZES), str(TEXTS)))
    kept = Path(os.environ.get("GONGZHI_BENCH_HOME") or Path(tempfile.gettempdir()) / "gongzhi-bench-kept")
    return kept / hashlib.sha256(text.encode()).hexdigest()[:12]


@contextmanager
def world(name: str) -> Iterator[World]:
    """Open a kept world, which is filled first where it is not there; Django then reads it."""
    folder = home()
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    server = Server(folder)
    try:
        admin = server.start()
        with psycopg.connect(admin, autocommit=True) as master:
            for said in ("shared_buffers = '1GB'", "max_wal_size = '8GB'", "maintenance_work_mem = '512MB'"):
                master.execute(f"ALTER SYSTEM SET {said}")  # type: ignore[arg-type]
            row = master.execute(_MARK, [name]).fetchone()
            if not row or row[0] != "filled":
                master.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        if _pending(admin):
            server.stop()
            server = Server(folder)
            admin = server.start()
        app, owner = prepare(admin, name)
        opened = World(name, app, owner, admin)
        _enter(opened, folder)
        install_city()
        _people()
        with psycopg.connect(admin, autocommit=True) as master:
            row = master.execute(_MARK, [name]).fetchone()
            if not row or row[0] != "filled":
                fill(opened)
                master.execute(sql.SQL("COMMENT ON DATABASE {} IS 'filled'").format(sql.Identifier(name)))
        yield opened
    finally:
        hang_up()
        server.stop()


def _people() -> None:
    """Add the pack's sample accounts, who sign in with the bench's password."""
    from django.conf import settings

    from gongzhi.kernel.install.citypack import load_accounts
    from gongzhi.kernel.signin import hash_password

    load_accounts(settings.CITY, hash_password(PASSWORD))


_MARK = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"


def _pending(admin: str) -> bool:
    with psycopg.connect(admin, autocommit=True) as master:
        master.execute("SELECT pg_reload_conf()")
        time.sleep(0.2)
    with psycopg.connect(admin, autocommit=True) as master:
        row = master.execute("SELECT count(*) FROM pg_settings WHERE pending_restart").fetchone()
    return bool(row and row[0])


def _enter(opened: World, folder: Path) -> None:
    os.environ.update(
        DATABASE_URL=opened.app, DATABASE_OWNER_URL=opened.owner, GONGZHI_HOME=str(folder),
        DJANGO_SETTINGS_MODULE="gongzhi.settings",
    )  # fmt: skip


def fill(opened: World) -> None:
    """Fill the world by the server's master, without triggers, indexes last."""
    records = SIZES[opened.name]
    if not records:
        return
    with psycopg.connect(with_database(opened.admin, opened.name), autocommit=True) as master:
        master.execute("SET session_replication_role = replica; SET work_mem = '256MB'; SET synchronous_commit = off")
        held = _without_indexes(master)
        _say(master)
        master.execute(_SHAPE)
        entries = "CASE stage WHEN 'filed' THEN 1 WHEN 'assigned' THEN 2 WHEN 'working' THEN 3 WHEN 'answered' THEN 4 ELSE 5 END"
        shape = {
            **_ids(master), "entries": entries if records <= SIZES["one"] else "2", "years": YEARS, "texts": TEXTS, "all": records,
        }  # fmt: skip
        for low in range(1, records + 1, 250_000):
            high = min(low + 249_999, records)
            master.execute(_REGISTER.format(**shape, low=low, high=high))  # type: ignore[arg-type]
            _told(f"{opened.name}: {high:,} records")
        for text in (_FACTS, _LINES, *_REST):
            master.execute(text.format(**shape))  # type: ignore[arg-type]
            _told(f"{opened.name}: {text.split()[2]}")
        for definition in held:
            master.execute(definition)  # type: ignore[arg-type]
        _told(f"{opened.name}: indexes")
        master.execute("SELECT setval('kernel.number_request', 900000)")
        for table in _BESIDE:
            master.execute(f"VACUUM ANALYZE {table}")  # type: ignore[arg-type]
        master.execute("CHECKPOINT")


def _without_indexes(master: "psycopg.Connection[Any]") -> list[str]:
    """Drop the indexes that no constraint needs; return their definitions."""
    rows = master.execute(
        "SELECT x.indexrelid::regclass::text, pg_get_indexdef(x.indexrelid) FROM pg_index x WHERE x.indrelid::regclass::text = ANY(%s)"
        " AND NOT x.indisunique AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = x.indexrelid)",
        [list(_BESIDE)],
    ).fetchall()
    for name, _ in rows:
        master.execute(f"DROP INDEX {name}")  # type: ignore[arg-type]
    return [definition for _, definition in rows]


def _say(master: "psycopg.Connection[Any]") -> None:
    """Make the texts: the city's stories with their slots filled, and the words under which each is found."""
    from django.conf import settings

    from gongzhi.intake.stories import load_stories
    from gongzhi.kernel.words import index_words

    stories, dice = load_stories(settings.CITY), Random(7)
    master.execute("CREATE TEMP TABLE said (n bigint, title text, detail text, nature text, category text, words text)")
    with master.cursor() as cursor, cursor.copy("COPY said FROM STDIN") as copy:
        for number in range(TEXTS):
            story = dice.choice(stories.all)
            slots = stories.slots(dice, dice.choice(stories.words["estates"]))
            text = dice.choice(stories.openings).format_map(slots) + dice.choice(story.detail).format_map(slots)
            words = " ".join(index_words([text]))
            copy.write_row((number, text[:40], text, story.nature, story.category, words))


def _ids(master: "psycopg.Connection[Any]") -> dict[str, int]:
    row: Any = master.execute(
        "SELECT (SELECT min(id) FROM agency WHERE kind = 'dispatch'), (SELECT min(id) FROM agency WHERE kind = 'centre'),"
        " p.id, p.account_id FROM post p WHERE p.role = 'operator' ORDER BY p.id LIMIT 1"
    ).fetchone()
    return dict(zip(("dispatch", "centre", "post", "account"), row, strict=True))


def _told(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")


if __name__ == "__main__":
    with world(sys.argv[1]):
        pass
