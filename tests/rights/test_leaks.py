"""Ways around the rule, each by name: what databases, pools and peers' products are known to leak.

Some have their test elsewhere: that a kept connection carries nobody's rights and that nothing is read without a context
(``tests/kernel/test_door.py``), that the export is the list (``tests/services/test_files.py``), that who may do what is the
row policy's own answer (``tests/kernel/test_audit.py``), that queues are read by index (``tests/kernel/test_plans.py``).
"""

import csv
import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.db.utils import DatabaseError
from django.utils import timezone

from gongzhi.intake import declared
from gongzhi.intake.importing import run
from gongzhi.intake.models import ImportJob
from gongzhi.kernel import lending
from gongzhi.kernel.act import Absent, act
from gongzhi.kernel.context import acting, actor_of
from gongzhi.kernel.generate import PART, function
from gongzhi.kernel.generate_many import function_for_many
from gongzhi.kernel.install.rights import behind_the_door
from gongzhi.kernel.models import Attachment, Link
from gongzhi.kernel.refusals import Invalid
from gongzhi.kernel.service import services
from gongzhi.kernel.vault import Upload
from gongzhi.kernel.worker import tick
from tests.rights.probing import FAR, NEAR, address, pair, sql
from tests.rights.ways import ABSENT
from tests.rights.world import World, viewer
from tests.services.lab import Machine, at_desk, owner_rows
from tests.services.pinned import counted

# --- views --------------------------------------------------------------------------------------------------------------

_VIEWS = """
SELECT c.oid::regclass::text, c.relkind = 'm' OR NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname IN ('public', 'kernel') AND has_any_column_privilege(%s, c.oid, 'SELECT')
"""


def test_a_plain_or_materialised_view_would_read_as_its_owner_and_none_is_there(made: World) -> None:
    _who, _mine, _hidden = pair(made)
    app = connection.settings_dict["USER"]
    owner = connections["owner"]
    assert [name for name, bad in owner_rows(_VIEWS, app) if bad] == []
    with transaction.atomic(using="owner"), owner.cursor() as cursor:
        for kind in ("VIEW plain_view", "MATERIALIZED VIEW kept_view"):
            cursor.execute(f"CREATE {kind} AS SELECT * FROM register")
            cursor.execute(f'GRANT SELECT ON {kind.split()[-1]} TO "{app}"')
        cursor.execute(
            f'CREATE VIEW good_view WITH (security_invoker=true) AS SELECT * FROM register; GRANT SELECT ON good_view TO "{app}"'
        )
        cursor.execute(_VIEWS, [app])
        assert sorted(cursor.fetchall()) == [("good_view", False), ("kept_view", True), ("plain_view", True)]
        transaction.set_rollback(True, using="owner")


# --- definer functions --------------------------------------------------------------------------------------------------

_RULED = {
    "did": "what the post itself did under its own key",
    "directory_log": "the directory's own chain, for administrators",
    "enter_follow": "compares the record's own follow-up code",
    "erase": "the clock's alone",
    "erased_notices": "the clock's alone; ids of notices",
    "ending": "the clock's alone",
    "looked": "compares the record's own follow-up code",
    "look_rights": "writes a line; reads the directory's chain",
    "outbox": "transaction and entry ids, for the worker; nothing of their content",
    "plate": "what is printed on the plate on the door",
    "take_mail": "the clock's alone",
    "seal_entries": "the clock's alone; hashes",
    "move_place": "moves records with their place; answers true", "end_place": "moves records with their place; answers true",
}  # fmt: skip
"""Definer functions that read what hangs from a record without the rule, and why they may."""
_READS = (
    "register", "entry", "party", "attachment", "task", "disclosure", "deadline_kept", "record_key", "register_words", "link",
)  # fmt: skip


def definers() -> list[tuple[str, str, list[str], list[str]]]:
    """Return name, text, names and types of the arguments of each definer function that the application may call."""
    return owner_rows(
        "SELECT p.proname, p.prosrc, coalesce(p.proargnames[1:p.pronargs], '{}'), "
        "ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) t) "
        "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'kernel' AND p.prosecdef "
        "AND has_function_privilege(%s, p.oid, 'EXECUTE') ORDER BY 1", connection.settings_dict["USER"],
    )  # fmt: skip


def making() -> set[str]:
    """Return the generated functions that make records: of what is there they read the post's own keys alone."""
    made = {function(s, s.creating).name for s in services().values()} | {
        function_for_many(s).name for s in services().values()
    }
    return {name.removeprefix("kernel.") for name in made}


def test_every_definer_function_that_reads_records_tests_the_right(crew: Any) -> None:
    """All functions of the schema, the generated ones too: what reads a record's table calls the one rule, with the teams."""
    reads = re.compile(rf"public\.(?:{'|'.join((*_READS, *(s.model._meta.db_table for s in services().values())))})\b")
    without = {}
    for name, text, _, _ in definers():
        calls = re.findall(r"kernel\.allowed\(([^;]*?)\)", text)
        assert all(re.search(r"\.care\b", call) for call in calls), f"{name} calls the rule without the teams of care"
        if reads.search(text) and not calls and name not in making():
            without[name] = text
    assert set(without) <= set(_RULED), "they read records and do not ask the rule"
    assert set(_RULED) <= set(without), "they ask the rule, read nothing, or are gone"
    for name in making():
        text = next(src for proc, src, *_ in definers() if proc == name)
        read = [part for part in re.findall(r"(?:FROM|JOIN) public\.(\w+)", text) if part in _READS]
        assert set(read) <= {"entry", "register"}, name


def test_no_definer_function_answers_a_stranger(made: World) -> None:
    """Called with a stranger's post and every id of a hidden record, each answers nothing of it."""
    who, _, hidden = pair(made)
    given = {
        "p_post": who.actor.post, "p_record": hidden.held.record, "p_party": hidden.party, "p_number": hidden.number,
        "p_other": hidden.held.record, "p_whole": hidden.held.record, "p_service": hidden.service.code, "p_limit": 50, "p_least": 1,
        "p_words": re.findall("zq[a-z]{5}", hidden.title), "p_account": who.actor.account, "p_at": timezone.now(),
        "p_since": timezone.now() - timedelta(days=30), "p_version": hidden.held.version, "p_purpose": "contact", "p_fields": "name",
        "p_body": "{}", "p_entry": uuid4(), "p_disclosure": uuid4(), "p_look": uuid4(), "p_follow": b"x",
    }  # fmt: skip
    ids = {"outbox": {str(hidden.held.record), hidden.held.record.hex}}  # ids alone, for the worker (_RULED)
    asked = 0
    for name, _text, names, kinds in definers():
        if name == "plate":
            continue  # it says what stands on a door, for whoever has the plate's own code
        arguments = [(given.get(one), kind) for one, kind in zip(names, kinds, strict=True)]
        arguments = [
            (value if one != "p_words" or kind == "text[]" else "zq", kind)
            for (value, kind), one in zip(arguments, names, strict=True)
        ]
        marks = ", ".join(f"%s::{kind}" for _, kind in arguments)
        try:
            with transaction.atomic():
                said = repr(sql(f"SELECT * FROM kernel.{name}({marks})", *(value for value, _ in arguments)))
                asked += 1
                transaction.set_rollback(True)
        except DatabaseError as refused:
            said = str(refused)
        known = {str(value) for value, _ in arguments} | ids.get(name, set())
        assert not [text for text in hidden.telling - known if text in said], (name, said)
        assert "'done'" not in said or name in making(), name
    assert asked > 20


# --- rows that hang from two records --------------------------------------------------------------------------------------


def test_a_link_is_seen_by_who_sees_both_ends(made: World) -> None:
    who, mine, hidden = pair(made)
    ties = owner_rows("SELECT a_id, b_id FROM link WHERE a_id = %s OR b_id = %s", mine.held.record, mine.held.record)
    assert any(hidden.held.record in tie for tie in ties), "the world ties them"
    with acting(who.actor):
        seen = {UUID(str(key)) for tie in Link.objects.exclude(kind=PART).values_list("a_id", "b_id") for key in tie}
    assert hidden.held.record not in seen
    with acting(made.people.manager):
        assert Link.objects.filter(a__in=[mine.held.record, hidden.held.record]).exists()


def test_the_timeline_of_a_tie_names_the_other_record_to_who_sees_it(made: World) -> None:
    who, mine, hidden = pair(made)
    both = made.people.manager
    code = mine.service.code
    for actor, named in ((who.actor, False), (both, True)):
        told = [
            line for line in Machine(actor).get(f"/{code}/{mine.number}/history").json() if line["action"] == "link"
        ]
        told += (
            [line for line in Machine(both).get(f"/{code}/{hidden.number}/history").json() if line["action"] == "link"]
            if named
            else []
        )
        assert told or not named
        assert (hidden.number in str(told)) == named
        page = at_desk(actor).get(f"/work/r/{mine.number}").content.decode()
        assert (hidden.number in page) == named


def test_tying_to_a_hidden_record_says_what_tying_to_nothing_says(made: World) -> None:
    """No oracle in a form that takes a number: same words, same statements."""
    who, mine, hidden = pair(made)
    told = []
    for other in (hidden.number, ABSENT):
        with counted() as sent, pytest.raises(Invalid) as refused:
            act(who.actor, mine.service.code, "link", record=mine.held.record, form={"other": other, "note": ""})
        told.append((str(refused.value.errors).replace(other, "N"), len(sent)))
    assert told[0] == told[1]


# --- LISTEN -------------------------------------------------------------------------------------------------------------


def test_a_notification_names_agencies_and_nothing_else(made: World) -> None:
    """LISTEN asks nobody's right: whoever has the application's role hears every channel."""
    tick()
    heard: list[str] = []
    listening = psycopg.connect(**address(), autocommit=True)
    with listening:
        listening.execute("LISTEN gongzhi")
        who = made.people.manager
        for subject in made.subjects[:2]:
            form = {"task": "看一看", "task_days": 1}
            act(who, subject.service.code, "task", record=subject.held.record, form=form)
        assert tick()["entries"]
        heard = [notice.payload for notice in listening.notifies(timeout=0.5)]
    agencies = {str(key) for (key,) in owner_rows("SELECT id FROM agency")}
    assert heard
    assert set(" ".join(heard).split()) <= agencies


# --- unique numbers and foreign keys --------------------------------------------------------------------------------------


def test_no_table_that_the_application_writes_tells_whether_a_record_is_there(made: World) -> None:
    """A unique index or a foreign key is checked past the row policy: none that the application can reach names a record."""
    app = connection.settings_dict["USER"]
    closed = {model._meta.db_table for model in behind_the_door()}
    rows = owner_rows(  # a key of 122 bits of chance cannot be tried out
        "SELECT c.conrelid::regclass::text, c.confrelid::regclass::text FROM pg_constraint c JOIN pg_attribute k "
        "ON k.attrelid = c.confrelid AND k.attnum = c.confkey[1] WHERE c.contype = 'f' AND k.atttypid <> 'uuid'::regtype "
        "AND (has_any_column_privilege(%s, c.conrelid, 'INSERT') OR has_any_column_privilege(%s, c.conrelid, 'UPDATE'))", app, app,
    )  # fmt: skip
    public = {
        "account",
        "agency",
        "post",
        "place",
        "notice",
    }  # who works here is no secret, a notice's key is a plain count
    assert {(a, b) for a, b in rows if b in closed - public} == set()
    written = owner_rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind = 'r' "
        "AND has_any_column_privilege(%s, c.oid, 'INSERT')", app,
    )  # fmt: skip
    assert {name for (name,) in written} & closed <= {"sign_in_try", "rate"}


def test_numbers_are_not_taken_by_who_makes_a_record(made: World) -> None:
    """The unique number comes from the sequence: nobody can ask for one and be told that it is taken."""
    for subject in made.subjects:
        made_function = function(subject.service, subject.service.creating)
        assert "o_number := p_number || lpad(nextval(" in made_function.text


def test_another_posts_idempotency_key_is_nobodys(made: World) -> None:
    """A key is the post's own: the same one of another post neither answers nor refuses."""
    who, other = viewer(made, NEAR), viewer(made, FAR)
    service = made.subjects[0].service
    key = str(uuid4())
    form = {"detail": "路灯不亮", "place": made.people.places["township"]}
    first = act(made.people.operator, "request", "file", form=form, key=key)
    again = act(who.actor, "request", "file", form=form, key=key)
    assert not again.repeated
    assert first.record != again.record
    assert sql("SELECT * FROM kernel.did(%s, %s)", other.actor.post, key) == []
    assert service is not None


def test_an_import_takes_a_hidden_number_for_a_free_one(made: World, tmp_path: Path) -> None:
    """The table of an import is no oracle: a row with the number of a hidden record is taken as one with no record's number."""
    who, mine, hidden = pair(made)
    service = next(s.service for s in made.subjects if s.service.code == "request")
    mine = next(s for s in made.seen(who.actor) if s.service is service)
    hidden = next(s for s in made.hidden(who.actor) if s.service is service)
    table = declared.declared(service)
    heads = list(table.columns)
    told = {}
    for name, number in (("mine", mine.number), ("hidden", hidden.number), ("absent", ABSENT)):
        path = tmp_path / f"{name}.csv"
        cells = {table.number: number} | {
            h: f"导入的事 {name}" for h in heads if table.columns[h].required and h != table.number
        }
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([heads, [cells.get(head, "") for head in heads]])
        done = run(path, service.code, table, actor=who.actor, folder=tmp_path)
        told[name] = (done.loaded, done.quarantined, [str(reason) for reason in done.reasons])
    assert told["hidden"] == told["absent"] == (1, 0, [])
    assert told["mine"][0] == 0


def test_another_posts_import_is_not_there(made: World) -> None:
    who, other = viewer(made, NEAR), viewer(made, FAR)
    job = ImportJob.objects.create(
        post_id=who.actor.post,
        service="request",
        mapping="request",
        name="t.csv",
        folder="x",
        created_at=timezone.now(),
    )
    for way in (f"/work/import/{job.pk}", f"/work/import/{job.pk}/quarantine"):
        assert at_desk(other.actor).get(way).status_code == 404
        assert at_desk(other.actor).get(f"/work/import/{job.pk + 9999}").status_code == 404


# --- the planner ----------------------------------------------------------------------------------------------------------


def test_explain_analyze_is_asked_by_no_page_and_says_counts_alone(made: World) -> None:
    """It counts the rows that a policy takes away. Whoever has the application's role in a console learns that there is one.

    Never a word of it, though (docs/rights.md), and no code of ours runs it.
    """
    source = Path(__file__).parents[2] / "src"
    assert [path for path in source.rglob("*.py") if re.search(r"\bEXPLAIN\b", path.read_text(encoding="utf-8"))] == []
    who, _, hidden = pair(made)
    with acting(who.actor):
        plan = "\n".join(
            row[0]
            for row in sql(f"EXPLAIN (ANALYZE, VERBOSE) SELECT title FROM register WHERE number = '{hidden.number}'")
        )
        inner = "\n".join(
            row[0]
            for row in sql(
                f"EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM kernel.look({who.actor.post}, '{hidden.held.record}', NULL)"
            )
        )
    assert hidden.title not in plan
    assert not any(word in plan + inner for word in hidden.telling if word.startswith("zq"))
    assert "Rows Removed" not in inner  # a definer function is a closed box


def test_a_function_that_tells_what_it_is_given_is_given_what_the_policy_lets_through(made: World) -> None:
    """A cheap function in the condition, a division by zero, a cast: none is evaluated before the policy."""
    who, mine, hidden = pair(made)
    heard: list[str] = []
    connection.ensure_connection()
    connection.connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
    with acting(who.actor):
        with connection.cursor() as cursor:
            cursor.execute("CREATE FUNCTION pg_temp.tell(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
                           "$$ BEGIN RAISE NOTICE '%', t; RETURN true; END $$")  # fmt: skip
        sql("SELECT count(*) FROM register WHERE pg_temp.tell(number)")
        sql("SELECT count(*) FROM register WHERE 1 / (CASE number WHEN %s THEN 0 ELSE 1 END) = 1", hidden.number)
        sql("SELECT count(*) FROM register WHERE CASE number WHEN %s THEN title::int ELSE 1 END = 1", hidden.number)
    assert mine.number in heard
    assert hidden.number not in heard
    connection.close()


# --- attachments ----------------------------------------------------------------------------------------------------------


def test_the_same_file_in_two_records_has_two_names(made: World) -> None:
    """An address is a keyed hash with the record's own key: who has a file cannot ask whether another record has it too."""
    who, mine, hidden = pair(made)
    inside = f"文件 {hidden.file_word}".encode()
    act(
        who.actor,
        mine.service.code,
        "attach",
        record=mine.held.record,
        form={"note": ""},
        files=[Upload("a.txt", inside)],
    )
    with acting(who.actor):
        addresses = set(Attachment.objects.filter(record=mine.held.record).values_list("address", flat=True))
        assert not Attachment.objects.filter(address=hidden.address).exists()
        assert not Attachment.objects.filter(digest__in=[hidden.address]).exists()
    assert hidden.address not in addresses
    [[own]] = owner_rows("SELECT digest FROM attachment WHERE id = %s", hidden.file)
    digests = {row[0] for row in owner_rows("SELECT digest FROM attachment WHERE record_id = %s", mine.held.record)}
    assert own not in digests, "a digest that two records share would tell"


# --- delegates ------------------------------------------------------------------------------------------------------------


def test_what_a_delegate_did_is_told_of_records_that_one_sees_oneself(made: World) -> None:
    who, other = viewer(made, NEAR), made.people
    stand_in = viewer(made, ("operator", "township", "a", False))
    day = timezone.localdate()
    lent = lending.lend(other.admin, who.actor.post, stand_in.actor.account, day, day + timedelta(days=2))
    _, mine, hidden = pair(made)
    act(actor_of(lent), mine.service.code, "note", record=mine.held.record, form={"note": "代办"})
    with pytest.raises(Absent):
        act(actor_of(lent), hidden.service.code, "note", record=hidden.held.record, form={"note": "代办"})
    assert [row[0] for row in sql("SELECT record FROM kernel.done_for(%s, 50)", who.actor.post)] == [mine.held.record]
    assert sql("SELECT record FROM kernel.done_for(%s, 50)", viewer(made, FAR).actor.post) == []
