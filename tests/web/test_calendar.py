"""The calendar of a post's deadlines: what it shows, to whom, until when; valid for two parsers."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import icalendar
import vobject
from django.test import Client

from gongzhi.kernel import directory
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.codes import titles
from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Register
from gongzhi.web.feed import token_of
from gongzhi.web.models import CalendarFeed

LONG = "健康西路与淮海北路路口的路灯已经三天不亮了，晚上学生放学经过很不安全，希望尽快派人检修；旁边还有一段人行道塌了；请一并看看，谢谢🔧。"


def address(client: Client, actor: Actor) -> str:
    """Make the post's calendar through its page, and return the path of its address."""
    assert client.post("/work/calendar", {"do": "new"}).status_code == 302
    path = f"/calendar/{token_of(CalendarFeed.objects.get(post=actor.post))}.ics"
    shown = client.get("/work/calendar")
    assert path in shown.content.decode()
    return path


def owed(actor: Callable[[str], Actor], ids: Any, filed: Callable[..., Done], detail: str = LONG) -> Done:
    """File a request and give it to the agency ``zjj``."""
    done = filed(detail=detail)
    form = {"agency": ids[0]["zjj"], "category": next(iter(titles("category")))}
    return act(actor("operator"), "request", "assign", record=done.record, version=done.version, form=form)


def events(body: bytes) -> dict[str, Any]:
    """Return the events by uid, read by one parser, after another has read the same."""
    made = icalendar.Calendar.from_ical(body)
    again = vobject.readOne(body.decode())
    found = {str(event["uid"]): event for event in made.walk("VEVENT")}
    assert {event.uid.value for event in again.contents.get("vevent", [])} == set(found)
    for event in again.contents.get("vevent", []):
        event.validate(raiseException=True)
        assert event.summary.value == str(found[event.uid.value]["summary"])
    return found


def test_a_phone_gets_what_the_post_owes_and_nothing_else(
    actor: Callable[[str], Actor], at_desk: Callable[[str], Client], ids: Any, filed: Callable[..., Done]
) -> None:
    mine, elsewhere = owed(actor, ids, filed), filed(detail="不归住建局的事")
    path = address(at_desk("zjj"), actor("zjj"))
    answer = Client().get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert "private" in answer["Cache-Control"]
    found = events(answer.content)
    assert f"{elsewhere.record}@gongzhi" not in found
    event = found[f"{mine.record}@gongzhi"]
    with acting(actor("zjj")):
        record = Register.objects.get(pk=mine.record)
    assert record.number in str(event["summary"])
    assert record.title in str(event["summary"])
    assert event["dtend"].dt == record.due_at
    assert event["dtend"].dt - event["dtstart"].dt == timedelta(minutes=30)
    assert str(event["url"]) == f"http://testserver/work/r/{record.number}"
    alarm = event.walk("VALARM")[0]
    assert event["dtstart"].dt + alarm["trigger"].dt == record.amber_at
    assert event["transp"] == "TRANSPARENT"


def test_lines_hold_at_most_75_octets_and_no_character_is_torn(
    actor: Callable[[str], Actor], at_desk: Callable[[str], Client], ids: Any, filed: Callable[..., Done]
) -> None:
    owed(actor, ids, filed)
    body = Client().get(address(at_desk("zjj"), actor("zjj"))).content
    assert body.endswith(b"\r\n")
    for line in body.split(b"\r\n"):
        assert len(line) <= 75
        line.decode()
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert body.count(b"\r\n ") > 1


def test_a_title_cannot_write_lines_of_its_own(
    actor: Callable[[str], Actor], at_desk: Callable[[str], Client], ids: Any, filed: Callable[..., Done]
) -> None:
    done = owed(actor, ids, filed, "灯不亮\r\nATTENDEE:mailto:x@example.org\nBEGIN:VALARM；第二行,第三;行\\n")
    found = events(Client().get(address(at_desk("zjj"), actor("zjj"))).content)
    assert "attendee" not in found[f"{done.record}@gongzhi"]


def test_an_unchanged_calendar_is_not_sent_again(
    actor: Callable[[str], Actor], at_desk: Callable[[str], Client], ids: Any, filed: Callable[..., Done]
) -> None:
    path = address(at_desk("zjj"), actor("zjj"))
    first = Client().get(path)
    assert Client().get(path, headers={"if-none-match": first["ETag"]}).status_code == 304
    owed(actor, ids, filed)
    second = Client().get(path, headers={"if-none-match": first["ETag"]})
    assert second.status_code == 200
    assert second["ETag"] != first["ETag"]
    assert Client().head(path).status_code == 200
    assert Client().post(path).status_code == 405


def test_a_record_that_goes_elsewhere_leaves_the_calendar(
    actor: Callable[[str], Actor], at_desk: Callable[[str], Client], ids: Any, filed: Callable[..., Done]
) -> None:
    done = owed(actor, ids, filed)
    path = address(at_desk("zjj"), actor("zjj"))
    assert f"{done.record}@gongzhi" in events(Client().get(path).content)
    handler = actor("zjj")
    act(
        handler,
        "request",
        "refuse",
        record=done.record,
        version=done.version,
        form={"reason": "不属于本单位职责范围。"},
    )
    assert f"{done.record}@gongzhi" not in events(Client().get(path).content)


def test_a_task_of_the_agency_is_in_it(
    actor: Callable[[str], Actor], at_desk: Callable[[str], Client], ids: Any, filed: Callable[..., Done]
) -> None:
    done = owed(actor, ids, filed)
    act(
        actor("zjj"),
        "request",
        "task",
        record=done.record,
        version=done.version,
        form={"task": "量一下路灯间距", "task_days": "2"},
    )
    found = events(Client().get(address(at_desk("zjj"), actor("zjj"))).content)
    assert any("量一下路灯间距" in str(event["summary"]) for event in found.values())


def test_a_new_address_ends_the_old_one_and_a_wrong_one_tells_nothing(
    actor: Callable[[str], Actor], at_desk: Callable[[str], Client]
) -> None:
    client, handler = at_desk("zjj"), actor("zjj")
    first = address(client, handler)
    second = address(client, handler)
    assert first != second
    assert Client().get(first).status_code == 404
    held = CalendarFeed.objects.get(post=handler.post)
    for wrong in (
        f"{held.pk}-{'a' * 32}",
        f"{held.pk}-",
        "0-" + "a" * 32,
        "x",
        "-",
        "9" * 30 + "-a",
        f"{held.pk}-汉",
        "²-a",
    ):
        assert Client().get(f"/calendar/{wrong}.ics").status_code == 404
    assert client.post("/work/calendar", {"do": "end"}).status_code == 302
    assert Client().get(second).status_code == 404
    assert client.post("/work/calendar", {"do": "end"}).status_code == 302
    assert Client().get("/work/calendar").status_code == 302  # to the sign-in page


def test_the_calendar_ends_with_the_post(actor: Callable[[str], Actor], ids: Any) -> None:
    admin = actor("admin")
    account = directory.add_account(admin, "leaving", "要离任的人", "a long password")
    post = directory.add_post(admin, account, ids[0]["zjj"], "handler", admin.place)
    other = Client()
    assert other.post("/signin", {"login": "leaving", "password": "a long password"}).status_code == 302
    other.post("/work/calendar", {"do": "new"})
    path = f"/calendar/{token_of(CalendarFeed.objects.get(post=post))}.ics"
    assert Client().get(path).status_code == 200
    assert CalendarFeed.objects.get(post=post).fetched_at
    directory.end_post(admin, post)
    assert Client().get(path).status_code == 404
