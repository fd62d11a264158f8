"""The database's side of ``act()``: one PL/pgSQL function for each service and action, made from the declaration.

Each is SECURITY DEFINER, owned by a role that cannot log in, with a fixed search path, without sequential scans (a plan
made while a table was small would stay with the session while it grows) and with one plan for all values: every statement
finds its rows by a key, and planning one anew at each call can cost as much as all of them together. The right, the stage, the version
and the guards stand in the UPDATE's WHERE. It answers ``done``, ``repeated``, ``conflict`` with who and what, or
``absent``, in one round trip. Its name carries a hash of its text, so that processes of the release before keep theirs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from gongzhi.kernel.procedure import SAME, Action, Clock, Effect, Gives
from gongzhi.kernel.roles import LOADER
from gongzhi.kernel.service import Service, cared

PART = "part"
"""Kind of the link from a record to what is a part of it."""

_ANSWER = (
    "OUT o_outcome text, OUT o_record uuid, OUT o_number text, OUT o_version int, OUT o_stage text, "
    "OUT o_who text, OUT o_agency text, OUT o_at timestamptz, OUT o_action text"
)


@dataclass(frozen=True)
class Function:
    """A generated function: its name, the parameters in order as (name, SQL type), and its text."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    text: str

    @property
    def call(self) -> str:
        """The statement that calls it, with one placeholder for each parameter."""
        return f"SELECT * FROM {self.name}({', '.join(f'%s::{kind}' for _, kind in self.parameters)})"


def quoted(*texts: str) -> str:
    """Return the texts as SQL string literals, separated by commas."""
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def apart(service: Service, other: str) -> str:
    """Return the condition that keeps records of care and others apart, "" where no service is one of care."""
    codes = cared()
    if not codes:
        return ""
    return f" AND {other} = '{service.code}'" if service.care else f" AND {other} NOT IN ({quoted(*codes)})"


def parameters_of(service: Service, action: Action) -> list[tuple[str, str]]:
    """Return the parameters of the action's function, in order, as (name, SQL type)."""
    form = service.form(action)
    made = [
        ("post", "bigint"), ("loader", "bigint"), ("record", "uuid"), ("entry", "uuid"), ("idem", "text"),
        ("at", "timestamptz"), ("follow", "bytea"), ("sealed", "bytea"), ("body", "text"),
    ]  # fmt: skip
    if action.creates:
        made += [
            ("body_tail", "text"), ("number", "text"), ("place", "bigint"), ("agency", "bigint"), ("title", "text"),
            ("lon", "float8"), ("lat", "float8"), ("channel", "text"), ("key", "bytea"),
        ]  # fmt: skip
        if service.part_of:
            made.append(("whole", "uuid"))
    else:
        made.append(("version", "int"))
        made += _changed(service, action)
    if action.creates or form.persons:
        made.append(("parties", "jsonb"))
    if takes_more(action):
        made.append(("more", "jsonb"))
    if sets_due(action):
        made += [("due", "timestamptz"), ("amber", "timestamptz"), ("source", "text")]
    if action.files:
        made.append(("files", "jsonb"))
    match action.effect:
        case Effect.LINK:
            made.append(("other", "uuid"))
        case Effect.TASK:
            made += [("task", "uuid"), ("task_title", "text"), ("task_due", "timestamptz")]
        case Effect.TASK_DONE:
            made.append(("task", "uuid"))
        case Effect.HOLD:
            made.append(("held_until", "date"))
    if action.creates or any(fact.search for fact in form.columns.values()):
        made.append(("words", "text"))
    return made + [(f"f_{name}", form.columns[name].sql) for name in form.columns]


def _changed(service: Service, action: Action) -> Iterator[tuple[str, str]]:
    """Yield the parameters of what an action may change of the register's own columns."""
    own = service.form(action).own
    if action.gives is not Gives.KEEP or action.effect is Effect.TASK:
        yield "agency", "bigint"
    if "place" in own:
        yield "place", "bigint"
    if "point" in own:
        yield from (("lon", "float8"), ("lat", "float8"))
    if retitles(service, action):
        yield "title", "text"


def sets_due(action: Action) -> bool:
    """Return whether the action gives the record a new deadline (or none)."""
    return action.target is not SAME or action.clock in (Clock.RESUME, Clock.EXTEND)


def retitles(service: Service, action: Action) -> bool:
    """Return whether the action may change the title: it names one, or edits the text that the title is made of."""
    form = service.form(action)
    return not action.creates and ("title" in form.own or (action.edits and service.title_from in form.columns))


def takes_more(action: Action) -> bool:
    """Return whether the action writes the city's own fields (``kernel.extras``)."""
    return action.creates or action.effect is Effect.MORE


def _repeated(action: Action) -> str:
    same = "" if action.creates else " AND e.record_id = p_record"
    return f"""\
    IF p_idem IS NOT NULL THEN
        SELECT CASE WHEN e.action = '{action.code}'{same} THEN 'repeated' ELSE 'reused' END,
               r.id, r.number, e.version, e.stage_to
          INTO o_outcome, o_record, o_number, o_version, o_stage
          FROM public.entry e JOIN public.register r ON r.id = e.record_id
         WHERE e.post_id = p_post AND e.idem = p_idem;
        IF FOUND THEN RETURN; END IF;
    END IF;
"""


def may_not(action: Action) -> str:
    """Return the condition under which the post's role may not do the action."""
    return f"a.role NOT IN ({quoted(*(role.code for role in action.by))})"


def _actor(action: Action) -> str:
    return f"""\
    SELECT * INTO a FROM kernel.reach(p_post);
    IF NOT FOUND OR {may_not(action)} THEN o_outcome := 'absent'; RETURN; END IF;
    IF a.role <> '{LOADER.code}' AND NOT EXISTS (SELECT FROM kernel.reach(p_loader) l WHERE l.role = '{LOADER.code}')
       AND p_at NOT BETWEEN clock_timestamp() - interval '10 minutes' AND clock_timestamp() + interval '10 minutes'
    THEN o_outcome := 'clock'; o_at := clock_timestamp(); RETURN; END IF;
"""


def _entry(stage_from: str, stage_to: str, version: str, seq: str, action: Action, body: str) -> str:
    return f"""\
    INSERT INTO public.entry (id, record_id, seq, at, post_id, account_id, agency_id, loader_id, action, stage_from,
                              stage_to, version, alg, body, hash, sealed, idem)
    VALUES (p_entry, p_record, {seq}, p_at, p_post, a.account, a.agency, p_loader, '{action.code}', {stage_from},
            {stage_to}, {version}, 'sha256', {body}, v_head, p_sealed, p_idem);
"""


_FILES = """\
    IF p_files IS NOT NULL THEN
        INSERT INTO public.attachment (id, record_id, entry_id, address, name, media_type, size, digest)
        SELECT f.id, p_record, p_entry, f.address, f.name, f.media_type, f.size, f.digest
          FROM jsonb_to_recordset(p_files)
               AS f(id uuid, address text, name text, media_type text, size bigint, digest text);
    END IF;
"""
_PARTIES = """\
    IF p_parties IS NOT NULL THEN
        INSERT INTO public.party (id, record_id, role, known, key, name, phone, address, mail, phone_index, mail_index)
        SELECT p.id, p_record, p.role, p.known, decode(p.key, 'base64'), decode(p.name, 'base64'),
               decode(p.phone, 'base64'), decode(p.address, 'base64'), decode(p.mail, 'base64'),
               decode(p.phone_index, 'base64'), decode(p.mail_index, 'base64')
          FROM jsonb_to_recordset(p_parties) AS p(id uuid, role text, known text, key text, name text, phone text,
                                                  address text, mail text, phone_index text, mail_index text);
    END IF;
"""


def _whole(service: Service) -> str:
    """Return the test that the record of which this is a part is seen and still open, and holds it open meanwhile."""
    if not service.part_of:
        return ""
    return f"""\
    PERFORM FROM public.register r WHERE r.id = p_whole AND r.service = '{service.part_of}' AND r.closed_at IS NULL
        AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL) FOR SHARE;
    IF NOT FOUND THEN o_outcome := 'absent'; RETURN; END IF;
"""


def _create_body(service: Service, action: Action) -> str:
    table = service.model._meta.db_table
    defaults = {name: fact for name, fact in service.facts.items() if name not in service.form(action).columns}
    names = ["record_id", "more", *service.form(action).columns, *defaults]
    values = ["p_record", "p_more", *(f"p_f_{name}" for name in service.form(action).columns)]
    tie = f"""\
    INSERT INTO public.link (a_id, b_id, kind, entry_id) VALUES (p_whole, p_record, '{PART}', p_entry);
""" if service.part_of else ""  # fmt: skip
    closed = "NULL" if action.target.open else "p_at"
    values += [quoted(str(fact.default)) if fact.has_default() else fact.empty for fact in defaults.values()]  # type: ignore[attr-defined]
    return f"""\
DECLARE
    a record;
    v_path text;
    v_head bytea;
    v_body text;
BEGIN
{_repeated(action)}{_actor(action)}{_whole(service)}\
    SELECT path INTO v_path FROM public.place WHERE id = p_place AND ended_on IS NULL;
    IF NOT FOUND THEN o_outcome := 'absent'; RETURN; END IF;
    o_number := p_number || lpad(nextval('kernel.number_{service.code}')::text, 6, '0');
    v_body := p_body || o_number || p_body_tail;
    v_head := sha256(convert_to(v_body, 'UTF8'));
    INSERT INTO public.register (id, service, number, title, stage, agency_id, place_id, place_path, lon, lat, channel,
                                 filed_by_id, opened_at, stage_at, due_at, amber_at, due_source, closed_at, alert, version,
                                 entries, head, follow)
    VALUES (p_record, '{service.code}', o_number, p_title, '{action.target.code}', p_agency, p_place, v_path, p_lon, p_lat,
            p_channel, p_post, p_at, p_at, p_due, p_amber, p_source, {closed}, 0, 1, 1, v_head, p_follow);
    INSERT INTO public.record_key (record_id, wrapped) VALUES (p_record, p_key);
    INSERT INTO public.register_words (record_id, words) VALUES (p_record, array_to_tsvector(string_to_array(p_words, ' ')));
    INSERT INTO public.{table} ({", ".join(names)})
    VALUES ({", ".join(values)});
{_entry("''", f"'{action.target.code}'", "1", "1", action, "v_body")}{tie}{_PARTIES}{_FILES if action.files else ""}\
    o_outcome := 'done'; o_record := p_record; o_version := 1; o_stage := '{action.target.code}';
END"""


def _changes(service: Service, action: Action) -> list[str]:
    """Return what the UPDATE of the register sets."""
    made = ["entries = r.entries + 1", "head = sha256(r.head || convert_to(p_body, 'UTF8'))"]
    if action.versioned:
        made.append("version = r.version + 1")
    if action.target is not SAME:
        closed = "NULL" if action.target.open else "p_at"
        made += [
            f"stage = '{action.target.code}'", "stage_at = p_at", "paused_at = NULL", "alert = 0", f"closed_at = {closed}",
        ]  # fmt: skip
    if sets_due(action):
        made += ["due_at = p_due", "amber_at = p_amber", "due_source = p_source"]
    if action.gives is not Gives.KEEP:
        made.append("agency_id = p_agency")
    if "place" in service.form(action).own:
        made.append("place_id = coalesce(p_place, r.place_id)")
        made.append("place_path = coalesce((SELECT l.path FROM public.place l WHERE l.id = p_place), r.place_path)")
    if "point" in service.form(action).own:
        made += ["lon = coalesce(p_lon, r.lon)", "lat = coalesce(p_lat, r.lat)"]
    if retitles(service, action):
        made.append("title = coalesce(p_title, r.title)")
    if action.clock is Clock.PAUSE:
        made.append("paused_at = p_at")
    if action.clock is Clock.RESUME:
        made.append("paused_at = NULL")
    if action.effect is Effect.ESCALATE:
        made.append("alert = least(r.alert + 1, 3)")
    if action.effect in (Effect.HOLD, Effect.RELEASE):
        made.append(f"held_until = {'p_held_until' if action.effect is Effect.HOLD else 'NULL'}")
    return made


def _conditions(service: Service, action: Action) -> list[str]:
    """Return what must hold for the action, beside the right and the version."""
    made = []
    if not action.anywhere:
        made.append(f"r.stage IN ({quoted(*(stage.code for stage in action.sources))})")
    if action.guard:
        guard = action.guard
        table = service.model._meta.db_table
        made.append(
            f"EXISTS (SELECT FROM public.{table} f WHERE f.record_id = r.id "
            f"AND f.{guard.column} {guard.operator} {guard.value})"
        )
    if action.clock is Clock.PAUSE:
        made.append("r.paused_at IS NULL")
    if action.clock is Clock.RESUME:
        made.append("r.paused_at IS NOT NULL")
    if action.effect is Effect.HOLD:
        made.append("NOT r.erased AND p_held_until IS NOT NULL")
    if action.effect is Effect.RELEASE:
        made.append("r.held_until IS NOT NULL")
    return made


def _before(service: Service, action: Action, right: str) -> str:
    """Return what is tested before the register's row is changed."""
    before = ""
    if action.effect is Effect.LINK:
        before = f"""\
    PERFORM FROM public.register r WHERE r.id = p_other AND r.id <> p_record{apart(service, "r.service")}
        AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL);
    IF NOT FOUND THEN o_outcome := 'absent'; RETURN; END IF;
"""
    if action.effect is Effect.TASK_DONE:
        before = """\
    PERFORM FROM public.task t WHERE t.id = p_task AND t.record_id = p_record AND t.done_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN o_outcome := 'absent'; RETURN; END IF;
"""
    if action.settles:
        before += f"""\
    PERFORM FROM public.register r WHERE r.id = p_record AND r.service = '{service.code}' AND {right} FOR UPDATE;
    SELECT count(*) INTO o_version FROM public.link l JOIN public.register c ON c.id = l.b_id
     WHERE FOUND AND l.a_id = p_record AND l.kind = '{PART}' AND c.closed_at IS NULL;
    IF o_version > 0 THEN o_outcome := 'parts'; RETURN; END IF;
"""
    return before


def _after(service: Service, action: Action) -> str:
    """Return what is written once the register's row has changed."""
    form, table = service.form(action), service.model._meta.db_table
    after = ""
    sets = [f"{name} = p_f_{name}" for name in form.columns]
    sets += [f"{name} = {name} + 1" for name in action.counts]
    sets += [f"{name} = {service.fact(name).empty}" for name in action.clears]
    if takes_more(action):
        sets.append("more = more || p_more")
    if sets:
        after += f"    UPDATE public.{table} SET {', '.join(sets)} WHERE record_id = p_record;\n"
    if action.target is not SAME:
        after += """\
    IF v.due_at IS NOT NULL AND v.due_source <> '' THEN
        INSERT INTO public.deadline_kept (record_id, agency_id, stage, started_at, due_at, met_at, source)
        VALUES (p_record, v.agency_id, v.stage, v.stage_at, v.due_at + coalesce(p_at - v.paused_at, interval '0'), p_at,
                v.due_source);
    END IF;
"""
    after += _entry("v.stage", "v.stage_to", "v.version", "v.entries", action, "p_body")
    if form.persons:
        after += _PARTIES
    if action.files:
        after += _FILES
    if any(fact.search for fact in form.columns.values()):
        after += "    UPDATE public.register_words SET words = words || array_to_tsvector(string_to_array(p_words, ' ')) WHERE record_id = p_record;\n"
    match action.effect:
        case Effect.LINK:
            after += (
                "    INSERT INTO public.link (a_id, b_id, kind, entry_id)\n"
                f"    VALUES (p_record, p_other, '{action.code}', p_entry) ON CONFLICT DO NOTHING;\n"
            )
        case Effect.TASK:
            after += (
                "    INSERT INTO public.task (id, record_id, title, agency_id, due_at, entry_id)\n"
                "    VALUES (p_task, p_record, p_task_title, p_agency, p_task_due, p_entry);\n"
            )
        case Effect.TASK_DONE:
            after += "    UPDATE public.task SET done_at = p_at WHERE id = p_task;\n"
    return after


def _change_body(service: Service, action: Action) -> str:
    proven = "CASE WHEN r.follow = p_follow THEN r.id END" if action.resident else "NULL"
    right = f"kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, {proven})"
    where = ["r.id = p_record", f"r.service = '{service.code}'", right, *_conditions(service, action)]
    if action.versioned:
        where.insert(2, "r.version = p_version")
    before, after = _before(service, action, right), _after(service, action)
    changes = ",\n           ".join(_changes(service, action))
    return f"""\
DECLARE
    a record;
    v record;
    v_head bytea;
BEGIN
{_repeated(action)}{_actor(action)}{before}\
    UPDATE public.register r
       SET {changes}
     WHERE {" AND ".join(where)}
    RETURNING old.stage, old.stage_at, old.due_at, old.due_source, old.paused_at, old.agency_id, new.number, new.version, new.entries,
              new.stage AS stage_to, new.head INTO v;
    IF NOT FOUND THEN
        SELECT 'conflict', r.number, r.version, r.stage, kernel.named(e.account_id, e.post_id), g.short, e.at, e.action
          INTO o_outcome, o_number, o_version, o_stage, o_who, o_agency, o_at, o_action
          FROM public.register r JOIN public.entry e ON e.record_id = r.id AND e.version = r.version
          JOIN public.agency g ON g.id = e.agency_id
         WHERE r.id = p_record AND r.service = '{service.code}' AND {right}
         ORDER BY e.seq LIMIT 1;
        o_outcome := coalesce(o_outcome, 'absent');
        RETURN;
    END IF;
    v_head := v.head;
{after}\
    o_outcome := 'done'; o_record := p_record; o_number := v.number; o_version := v.version; o_stage := v.stage_to;
END"""


@cache
def function(service: Service, action: Action) -> Function:
    """Return the generated function of this service's action."""
    parameters = tuple(parameters_of(service, action))
    body = _create_body(service, action) if action.creates else _change_body(service, action)
    declared = ",\n    ".join(
        ", ".join(f"p_{name} {kind}" for name, kind in parameters[start : start + 6])
        for start in range(0, len(parameters), 6)
    )
    rest = (
        f"(\n    {declared},\n    {_ANSWER})\nLANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp "
        f"SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $act$\n{body} $act$;"
    )
    name = f"kernel.{service.code}_{action.code}_{sha256(rest.encode()).hexdigest()[:8]}"
    return Function(name, parameters, f"CREATE OR REPLACE FUNCTION {name}{rest}\n")
