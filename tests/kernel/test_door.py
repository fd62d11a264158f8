"""What the application's role cannot do, whoever writes the code: write a table, read a ciphertext, see without context."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.utils import timezone

from gongzhi.kernel.act import Done, execute
from gongzhi.kernel.context import ContextError, NoPost, acting, actor_of, clock_actor, follow_code, following
from gongzhi.kernel.history import timeline
from gongzhi.kernel.install.rights import behind_the_door, rule
from gongzhi.kernel.models import Account, Disclosure, Entry, Notice, Party, Register
from gongzhi.kernel.parties import ask, mail_of, take
from gongzhi.kernel.purposes import TOLD_TITLE
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.service import service, services
from tests.kernel.people import People

pytestmark = pytest.mark.any_city

Make = Callable[..., Done]


def _refused(sql: str) -> None:
    with pytest.raises(ProgrammingError) as refused, connection.cursor() as cursor:
        cursor.execute(sql)
    assert isinstance(refused.value.__cause__, psycopg.errors.InsufficientPrivilege), refused.value


def _tables() -> list[str]:
    return [model._meta.db_table for model in behind_the_door()]


@pytest.mark.parametrize("table", _tables())
def test_the_application_writes_no_table_behind_the_door(table: str, crew: People) -> None:
    _refused(f'INSERT INTO "{table}" DEFAULT VALUES')
    _refused(f'DELETE FROM "{table}"')
    _refused(f'TRUNCATE "{table}"')
    column = next(m for m in behind_the_door() if m._meta.db_table == table)._meta.local_fields[0].column
    _refused(f'UPDATE "{table}" SET "{column}" = "{column}"')


@pytest.mark.parametrize("column", ["key", "name", "phone", "address", "mail", "phone_index", "mail_index"])
@pytest.mark.parametrize("form", ["SELECT {} FROM party", "SELECT 1 FROM party WHERE {} IS NOT NULL", "SELECT * FROM party",
                                  "SELECT party FROM party", "COPY party TO STDOUT"])  # fmt: skip
def test_the_application_reads_no_ciphertext(form: str, column: str, crew: People) -> None:
    _refused(form.format(column))


def test_the_application_reads_no_password_hash(crew: People) -> None:
    _refused("SELECT password FROM account")
    _refused("SELECT account FROM account")


@pytest.mark.parametrize(
    "sql",
    ["SET ROLE {p}_kernel", "SET ROLE {p}_owner", "SET session_replication_role = replica", "CREATE TABLE mine ()",
     "CREATE FUNCTION kernel.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ALTER TABLE entry DISABLE TRIGGER ALL",
     "DROP POLICY seen ON register", "SELECT kernel.chronicle(1, NULL, now(), '', '')", "SELECT nextval('kernel.number_request')"],
)  # fmt: skip
def test_the_application_cannot_make_itself_more(sql: str, crew: People) -> None:
    _refused(sql.format(p=connection.settings_dict["USER"].removesuffix("_app")))


def test_no_entry_is_changed_or_removed_not_even_by_the_owner(crew: People, request_in: Make, owner: Any) -> None:
    request_in("closed")
    for sql in ("UPDATE entry SET body = ''", "DELETE FROM entry", "TRUNCATE entry CASCADE"):
        with pytest.raises(ProgrammingError, match="append-only"), owner.cursor() as cursor:
            cursor.execute(sql)


def test_without_a_context_every_query_returns_nothing(crew: People, request_in: Make) -> None:
    request_in("closed")
    for model in behind_the_door():
        if rule(model) in (None, "false"):  # public, or not granted at all
            continue
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT count(*) FROM "{model._meta.db_table}"')
            assert cursor.fetchone() == (0,), model


def test_rights_end_with_the_transaction_and_a_kept_connection_carries_nobody(crew: People, request_in: Make) -> None:
    request_in("filed")
    with acting(crew.operator):
        assert Register.objects.exists()
    assert not Register.objects.exists()
    with pytest.raises(ZeroDivisionError), acting(crew.operator):
        raise ZeroDivisionError
    assert not Register.objects.exists()
    with transaction.atomic():
        assert not Register.objects.exists()
    seen: list[int] = []

    def elsewhere() -> None:
        seen.append(Register.objects.count())
        connection.close()

    with acting(crew.operator):
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    assert seen == [0]


def test_one_transaction_reads_as_one_actor(crew: People) -> None:
    with acting(crew.operator), pytest.raises(ContextError), acting(crew.handler):
        pass


def test_an_ended_post_reads_and_does_nothing(crew: People, owner: Any) -> None:
    with owner.cursor() as cursor:
        cursor.execute("UPDATE post SET until = %s WHERE id = %s", [timezone.localdate(), crew.far_centre.post])
    with pytest.raises(NoPost), acting(crew.far_centre):
        pass
    with pytest.raises(NoPost):
        actor_of(crew.far_centre.post)
    with owner.cursor() as cursor:
        cursor.execute("UPDATE post SET until = NULL WHERE id = %s", [crew.far_centre.post])


def test_a_county_sees_its_own_records_and_no_other(crew: People, request_in: Make) -> None:
    near, far = request_in("filed"), request_in("filed", place=crew.places["far"])
    with acting(crew.centre):
        assert Register.objects.filter(pk=near.record).exists()
        assert not Register.objects.filter(pk=far.record).exists()
        assert not Entry.objects.filter(record_id=far.record).exists()
        for service in services().values():
            assert not service.model._default_manager.filter(pk=far.record).exists()
    with acting(crew.far_centre):
        assert Register.objects.filter(pk=far.record).exists()


def _person(crew: People, made: Done) -> Any:
    with acting(crew.handler):
        return Party.objects.get(record_id=made.record).pk


def test_a_name_is_shown_only_after_the_look_is_written_down(crew: People, request_in: Make) -> None:
    made = request_in("working", asker_name="周一", asker_phone="13800001111")
    party = _person(crew, made)
    seen = take(crew.handler, ask(crew.handler, party, "contact", ["name"]))
    assert seen == {"name": "周一"}
    with acting(crew.manager):
        look = Disclosure.objects.select_related("account").get(record_id=made.record)
        assert (look.account.name, look.purpose, look.fields) == ("t-handler", "contact", "name")
        assert Entry.objects.filter(record_id=made.record, action="disclose").count() == 1


def test_code_that_rolls_back_gets_no_name(crew: People, request_in: Make) -> None:
    from uuid import uuid4

    from django.utils import timezone

    made = request_in("working", asker_name="周一")
    party, disclosure = _person(crew, made), uuid4()
    ask_sql = "SELECT kernel.ask(%s, %s, %s, %s, %s, 'contact', 'name', '{}')"
    take_sql = "SELECT count(*) FROM kernel.take(%s, %s)"
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(ask_sql, [crew.handler.post, party, disclosure, uuid4(), timezone.now()])
            assert cursor.fetchone() == (True,)
            cursor.execute(take_sql, [crew.handler.post, disclosure])
            assert cursor.fetchone() == (0,)
        raise ZeroDivisionError
    with connection.cursor() as cursor:
        cursor.execute(take_sql, [crew.handler.post, disclosure])
        assert cursor.fetchone() == (0,)


def test_a_look_lies_on_the_disk_before_anything_is_shown(crew: People, request_in: Make) -> None:
    """With synchronous_commit = off a commit is told before it would outlive a crash; nothing is shown until it does."""
    made = request_in("working", asker_name="周一")
    party, actor = _person(crew, made), crew.handler
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        try:
            disclosure = ask(actor, party, "contact", ["name"])
            cursor.execute("SELECT pg_current_wal_insert_lsn()")
            written = cursor.fetchone()[0]
            assert take(actor, disclosure) == {"name": "周一"}
            cursor.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [written])
            assert cursor.fetchone() == (True,)
            with transaction.atomic():
                given = [actor.post, party, uuid4(), uuid4(), timezone.now()]
                cursor.execute("SELECT kernel.ask(%s, %s, %s, %s, %s, 'contact', 'name', '{}')", given)
                assert cursor.fetchone() == (True,)
                cursor.execute("SHOW synchronous_commit")
                assert cursor.fetchone() == ("on",)
                transaction.set_rollback(True)
        finally:
            cursor.execute("RESET synchronous_commit")


def test_a_look_is_for_who_asked_and_for_a_purpose_of_the_list(crew: People, request_in: Make) -> None:
    made = request_in("working", asker_name="周一")
    party = _person(crew, made)
    with pytest.raises(Absent):
        take(crew.operator, ask(crew.handler, party, "contact"))
    with pytest.raises(Absent):
        ask(crew.other, party, "contact")
    with pytest.raises(Absent):
        ask(crew.admin, party, "contact")
    with pytest.raises(Invalid):
        ask(crew.handler, party, "curiosity")


def test_an_address_is_opened_by_the_clock_alone_once_that_is_written_down(crew: People, request_in: Make) -> None:
    made = request_in("answered", asker_name="周一", asker_mail=" Zhou.Yi＠Example.ORG ")
    party = _person(crew, made)
    assert mail_of(clock_actor(), party) == "Zhou.Yi@example.org"
    assert take(crew.handler, ask(crew.handler, party, "contact")) == {"name": "周一"}
    for actor, fields in ((crew.handler, ["mail"]), (crew.manager, ["name", "mail"])):
        with pytest.raises(Invalid):
            ask(actor, party, "contact", fields)
    for purpose in ("told", "contact"):
        with pytest.raises(Absent):
            ask(clock_actor(), party, purpose, ["name"])
    for actor in (crew.handler, crew.manager, crew.admin):
        with pytest.raises(Absent):
            mail_of(actor, party)
    with acting(crew.manager):
        looks = Disclosure.objects.filter(record_id=made.record).values_list("fields", "purpose", "account__login")
        assert sorted(looks) == [("mail", "told", "clock"), ("name", "contact", "t-handler")]
    contact = service("request").reasons["contact"].title
    with following(made.number, follow_code(made.record.bytes)) as record:
        assert record is not None
        told = [line for line in timeline(record, None) if line.action == "disclose"]
        assert {str(line.facts[0][1]) for line in told} == {str(TOLD_TITLE), str(contact)}


@pytest.mark.parametrize("who", ["clock", "handler"])
def test_code_that_rolls_back_gets_no_address(crew: People, request_in: Make, who: str) -> None:
    made = request_in("answered", asker_mail="zhou@example.org")
    party, disclosure = _person(crew, made), uuid4()
    post = clock_actor().post if who == "clock" else crew.handler.post
    ask_sql = "SELECT kernel.ask(%s, %s, %s, %s, %s, 'told', 'mail', '{}')"
    take_sql = "SELECT count(*) FROM kernel.take_mail(%s, %s)"
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(ask_sql, [post, party, disclosure, uuid4(), timezone.now()])
            assert cursor.fetchone() == (who == "clock",)
            cursor.execute(take_sql, [post, disclosure])
            assert cursor.fetchone() == (0,)
        raise ZeroDivisionError
    with connection.cursor() as cursor:
        cursor.execute(take_sql, [post, disclosure])
        assert cursor.fetchone() == (0,)


def test_the_follow_up_code_opens_one_record_and_nothing_else(crew: People, request_in: Make) -> None:
    mine, other = request_in("answered"), request_in("filed")
    with following(mine.number, mine.follow.lower().replace("-", "")) as record:
        assert record is not None
        assert list(Register.objects.values_list("pk", flat=True)) == [mine.record]
    for code in (other.follow, "", "0", "ABCD-EFGH-JKLM"):
        with following(mine.number, code) as record:
            assert record is None
            assert not Register.objects.exists()
    assert not Register.objects.exists()


def test_a_notice_is_for_its_agency(crew: People, request_in: Make) -> None:
    from gongzhi.kernel.worker import tick

    made = request_in("assigned")
    tick()
    with acting(crew.handler):
        assert Notice.objects.filter(record_id=made.record, kind="assigned").count() == 1
    with acting(crew.other):
        assert not Notice.objects.filter(record_id=made.record).exists()
    assert tick()["entries"] == 0


@pytest.mark.parametrize("value", ["", "x" * 4001, None])
def test_the_function_itself_refuses_what_a_form_would_refuse(value: Any, crew: People) -> None:
    from django.utils import timezone

    from gongzhi.kernel.compose import Draft, compose
    from gongzhi.kernel.context import portal_actor
    from gongzhi.kernel.generate import function

    declared = service("request")
    action = declared.creating
    draft = Draft(portal_actor(), declared, action, None, None, None, "", timezone.now(), None)
    compose(draft, {"detail": "路灯不亮"}, ())
    made = function(declared, action)
    arguments = [value if name == "f_detail" else draft.arguments[name] for name, _ in made.parameters]
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)):
        execute(made.call, arguments)
    assert Account.objects.count() == 0
