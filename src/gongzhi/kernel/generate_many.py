"""The database's side of ``kernel.bulk``: one function for each service that makes many records at once.

It takes what the function of the creating action takes, one array for each parameter, and tests and writes the same: the
post's right, the places, the keys, the clock, the record that a part belongs to. All rows of a call are one statement of
one transaction. It answers for each row ``done``, ``repeated``, ``reused``, ``clock`` or ``absent``.

Foreign keys are checked by joins, for all rows at once, where the kernel's role may switch the triggers off that check
them one by one (``session_replication_role``); without that right the triggers check again, a third slower.
"""

from functools import cache
from hashlib import sha256

from gongzhi.kernel.generate import PART, Function, may_not, parameters_of, quoted
from gongzhi.kernel.packed import AS_TEXT
from gongzhi.kernel.roles import LOADER
from gongzhi.kernel.service import Service

ONCE = ("post", "loader")
"""Parameters that hold for all rows of a call."""
PARTY = (
    ("record", "uuid"), ("id", "uuid"), ("role", "text"), ("known", "text"), ("key", "bytea"), ("name", "bytea"),
    ("phone", "bytea"), ("address", "bytea"), ("mail", "bytea"), ("phone_index", "bytea"), ("mail_index", "bytea"),
)  # fmt: skip


def columns_of(service: Service) -> list[tuple[str, str]]:
    """Return what each row brings, as (name, SQL type in which it travels)."""
    made = parameters_of(service, service.creating)
    return [
        (name, "text" if kind in AS_TEXT else kind) for name, kind in made if name not in (*ONCE, "parties", "files")
    ]


@cache
def function_for_many(service: Service) -> Function:
    """Return the generated function that makes many records of the service."""
    rows = columns_of(service)
    parameters = (
        *((name, "bigint") for name in ONCE),
        *((name, f"{kind}[]") for name, kind in rows),
        *((f"party_{name}", f"{kind}[]") for name, kind in PARTY),
    )
    declared = ",\n    ".join(
        ", ".join(f"p_{name} {kind}" for name, kind in parameters[start : start + 6])
        for start in range(0, len(parameters), 6)
    )
    rest = (
        f"(\n    {declared})\nRETURNS TABLE (o_row bigint, o_outcome text, o_record uuid, o_number text)\n"
        "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off "
        f"SET work_mem = '64MB' AS $many$\n{_body(service, rows)} $many$;"
    )
    name = f"kernel.{service.code}_many_{sha256(rest.encode()).hexdigest()[:8]}"
    return Function(name, parameters, f"CREATE OR REPLACE FUNCTION {name}{rest}\n")


def _body(service: Service, rows: list[tuple[str, str]]) -> str:
    action, table = service.creating, service.model._meta.db_table
    form = service.form(action)
    defaults = {name: fact for name, fact in service.facts.items() if name not in form.columns}
    names = ["record_id", "more", *form.columns, *defaults]
    values = ["f.record", "f.more", *(f"f.f_{name}::{fact.sql}" for name, fact in form.columns.items())]
    values += [quoted(str(fact.default)) if fact.has_default() else fact.empty for fact in defaults.values()]  # type: ignore[attr-defined]
    arrays = ", ".join(f"p_{name}" for name, _ in rows)
    closed = "NULL::timestamptz" if action.target.open else "f.at"
    hold, seen, unseen, tie = _whole(service)
    return f"""\
DECLARE
    a record;
    v_past boolean;
    v_joins boolean := has_parameter_privilege('session_replication_role', 'SET');
BEGIN
    SELECT * INTO a FROM kernel.reach(p_post);
    IF NOT FOUND OR {may_not(action)} THEN
        RETURN QUERY SELECT g.n, 'absent', NULL::uuid, '' FROM unnest(p_record) WITH ORDINALITY g(record, n); RETURN; END IF;
    v_past := a.role = '{LOADER.code}' OR EXISTS (SELECT FROM kernel.reach(p_loader) l WHERE l.role = '{LOADER.code}');
{hold}\
    IF v_joins THEN PERFORM set_config('session_replication_role', 'replica', true); END IF;
    RETURN QUERY WITH given AS MATERIALIZED (
        SELECT g.*, l.path, e.record_id AS held,
               CASE WHEN e.action = '{action.code}' THEN 'repeated' WHEN e.action IS NOT NULL THEN 'reused'
                    WHEN NOT v_past AND g.at NOT BETWEEN clock_timestamp() - interval '10 minutes'
                                                     AND clock_timestamp() + interval '10 minutes' THEN 'clock'
                    WHEN l.path IS NULL OR c.id IS NULL{unseen} THEN 'absent' ELSE 'done' END AS outcome
        FROM unnest({arrays})
             WITH ORDINALITY AS g({", ".join(name for name, _ in rows)}, n)
        LEFT JOIN public.place l ON l.id = g.place AND l.ended_on IS NULL
        LEFT JOIN public.agency c ON c.id = g.agency
        LEFT JOIN LATERAL (SELECT k.record_id, k.action FROM public.entry k
                           WHERE k.post_id = p_post AND k.idem = g.idem LIMIT 1) e ON true{seen}
    ), numbered AS MATERIALIZED (
        SELECT o.*, o.number || lpad(nextval('kernel.number_{service.code}')::text, 6, '0') AS no
        FROM (SELECT * FROM given WHERE outcome = 'done' ORDER BY n) o
    ), fresh AS MATERIALIZED (
        SELECT m.*, w.text, sha256(convert_to(w.text, 'UTF8')) AS head
        FROM numbered m CROSS JOIN LATERAL (SELECT m.body || m.no || m.body_tail OFFSET 0) w(text)
    ), made_register AS (
        INSERT INTO public.register (id, service, number, title, stage, agency_id, place_id, place_path, lon, lat, channel,
                                     filed_by_id, opened_at, stage_at, due_at, amber_at, due_source, closed_at, alert,
                                     version, entries, head, follow)
        SELECT f.record, '{service.code}', f.no, f.title, '{action.target.code}', f.agency, f.place, f.path, f.lon, f.lat,
               f.channel, p_post, f.at, f.at, f.due, f.amber, f.source, {closed}, 0, 1, 1, f.head, f.follow FROM fresh f
    ), made_key AS (
        INSERT INTO public.record_key (record_id, wrapped) SELECT f.record, f.key FROM fresh f
    ), made_words AS (
        INSERT INTO public.register_words (record_id, words)
        SELECT f.record, array_to_tsvector(string_to_array(f.words, ' ')) FROM fresh f
    ), made_facts AS (
        INSERT INTO public.{table} ({", ".join(names)})
        SELECT {", ".join(values)} FROM fresh f
    ), made_entry AS (
        INSERT INTO public.entry (id, record_id, seq, at, post_id, account_id, agency_id, loader_id, action, stage_from,
                                  stage_to, version, alg, body, hash, sealed, idem)
        SELECT f.entry, f.record, 1, f.at, p_post, a.account, a.agency, p_loader, '{action.code}', '',
               '{action.target.code}', 1, 'sha256', f.text, f.head, f.sealed, f.idem FROM fresh f
    ), made_party AS (
        INSERT INTO public.party (id, record_id, role, known, key, name, phone, address, mail, phone_index, mail_index)
        SELECT p.id, p.record, p.role, p.known, p.key, p.name, p.phone, p.address, p.mail, p.phone_index, p.mail_index
        FROM unnest({", ".join(f"p_party_{name}" for name, _ in PARTY)})
             AS p({", ".join(name for name, _ in PARTY)})
        WHERE p.record IN (SELECT f.record FROM fresh f)
    ){tie}
    SELECT g.n, g.outcome, coalesce(g.held, g.record),
           coalesce(f.no, (SELECT s.number::text FROM public.register s WHERE s.id = g.held), '')
    FROM given g LEFT JOIN fresh f ON f.n = g.n;
    IF v_joins THEN PERFORM set_config('session_replication_role', 'origin', true); END IF;
END"""


def _whole(service: Service) -> tuple[str, str, str, str]:
    """Return what holds the wholes open meanwhile, joins them, refuses a row without one, and ties the parts to them."""
    if not service.part_of:
        return "", "", "", ""
    right = "kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL)"
    test = f"r.service = '{service.part_of}' AND r.closed_at IS NULL\n            AND {right}"
    return (
        f"    PERFORM FROM public.register r WHERE r.id = ANY (p_whole) AND {test} ORDER BY r.id FOR SHARE;\n",
        f"\n        LEFT JOIN LATERAL (SELECT r.id FROM public.register r WHERE r.id = g.whole AND {test} LIMIT 1) r ON true",
        " OR r.id IS NULL",
        f""", made_tie AS (
        INSERT INTO public.link (a_id, b_id, kind, entry_id) SELECT f.whole, f.record, '{PART}', f.entry FROM fresh f
    )""",
    )
