"""What every service costs in SQL statements: pinned in a file, and the same for five rows as for fifty."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from gongzhi.kernel.act import act
from gongzhi.kernel.procedure import SAME
from gongzhi.kernel.roles import STAFF
from gongzhi.kernel.service import Service
from gongzhi.web.api import token
from tests.services.lab import Lab, Machine, at_desk
from tests.services.pinned import agree, counted

ROWS = 50


def sent(run: Callable[[], Any]) -> list[str]:
    """Return the statements of a second run: the first one fills what is remembered."""
    token._held.clear()
    for _ in range(2):
        with counted() as statements:
            answer = run()
    assert getattr(answer, "status_code", 200) == 200
    if getattr(answer, "streaming", False):
        b"".join(answer.streaming_content)
    return statements


def reading(service: Service, client: Client, machine: Machine) -> dict[str, Callable[[], Any]]:
    return {
        "list": lambda: client.get(f"/work/s/{service.code}/"),
        "api_list": lambda: machine.get(f"/{service.code}?limit={ROWS}"),
        "export_csv": lambda: client.get(f"/work/s/{service.code}/export/csv"),
        "export_xlsx": lambda: client.get(f"/work/s/{service.code}/export/xlsx"),
    }


def test_what_it_costs_was_agreed(service: Service, lab: Lab) -> None:
    client, machine = at_desk(lab.watcher), Machine(lab.watcher)
    make = service.creating
    maker = lab.doer(make)
    held = [lab.make(maker, other=bool(number % 2)) for number in range(5)][-1]
    few = {name: sent(run) for name, run in reading(service, client, machine).items()}
    for number in range(ROWS - 5):
        lab.make(maker, other=bool(number % 2))
    many = {name: sent(run) for name, run in reading(service, client, machine).items()}
    grown = {name: (len(few[name]), len(many[name])) for name in few if len(few[name]) != len(many[name])}
    assert not grown, f"statements grow with the rows (5 rows, {ROWS} rows): {grown}"

    change = next(
        action for action in service.procedure
        if not action.creates and action.direct and action.versioned and action.target is not SAME
        and action.leaves(make.target.code) and set(action.by) & set(STAFF)
    )  # fmt: skip
    forms = [lab.form(make, maker) for _ in range(2)]
    before = [lab.ready(change) for _ in range(2)]
    doer = lab.doer(change, before[0])
    changes = [lab.form(change, doer, one) for one in before]
    form, (one, changed) = iter(forms), (iter(before), iter(changes))
    measured = {
        **many,
        "page": sent(lambda: client.get(f"/work/r/{held.number}")),
        "api_read": sent(lambda: machine.get(f"/{service.code}/{held.number}")),
        "new": sent(lambda: at_desk(maker).get(f"/work/s/{service.code}/new")),
        "create": sent(lambda: act(maker, service.code, make.code, form=next(form))),
        "change": sent(lambda: lab.act(next(one), change, doer, next(changed))),
    }
    agree(service, measured)


def test_a_long_history_costs_no_more(service: Service, lab: Lab) -> None:
    client, machine = at_desk(lab.watcher), Machine(lab.watcher)
    held = lab.make()

    def reads() -> dict[str, int]:
        return {
            "page": len(sent(lambda: client.get(f"/work/r/{held.number}"))),
            "history": len(sent(lambda: machine.get(f"/{service.code}/{held.number}/history"))),
        }

    def more() -> None:
        lab.do(held, service.action("note"), lab.watcher)
        lab.do(held, service.action("task"), lab.watcher)
        lab.do(held, service.action("link"), lab.watcher, other=lab.make().number)
        for part in service.parts:
            below = lab.labs.get(part.code) or Lab(part, lab.people, lab.labs)
            below.make(whole=held.number)

    more()
    few = reads()
    for _ in range(6):
        more()
    assert reads() == few
