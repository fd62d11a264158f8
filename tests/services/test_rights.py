"""Who sees a record of a service: one rule, held by the database for the record and for everything that hangs from it."""

from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import connection

from gongzhi.kernel.context import acting
from gongzhi.kernel.install.rights import behind_the_door
from gongzhi.kernel.models import Register, RegisterWords
from gongzhi.kernel.roles import HANDLER, OPERATOR, PORTAL, ROLES, Scope
from gongzhi.kernel.service import Record, Service
from gongzhi.kernel.vault import Upload
from tests.services.lab import Held, Lab, owner_rows

pytestmark = pytest.mark.any_city


def hanging(service: Service) -> dict[Any, str]:
    """Return every table with rows of a record, and the column that names it."""
    made: dict[Any, str] = {Register: "id", service.model: "record_id"}
    for model in behind_the_door():
        if model is RegisterWords or (issubclass(model, Record) and model is not service.model):
            continue
        try:
            if model._meta.get_field("record").related_model is Register:
                made[model] = "record_id"
        except FieldDoesNotExist:
            continue
    return made


def rich(lab: Lab) -> Held:
    """Return a record with something in as many tables as its declaration can fill."""
    held = lab.bring(max((lab.walk.to(stage) for stage in lab.stages), key=len))
    for code in ("note", "task", "link"):
        action = lab.service.action(code)
        lab.do(held, action)
    attach = lab.service.action("attach")
    actor = lab.doer(attach, held)
    lab.act(held, attach, actor, {"note": "x"}, files=[Upload("说明.txt", "内容".encode())])
    return held


def test_the_database_shows_it_to_those_of_its_area_and_its_agency(service: Service, lab: Lab) -> None:
    held = rich(lab)
    tables = hanging(service)
    filled = {model: len(owner_rows(f"SELECT 1 FROM {model._meta.db_table} WHERE {column} = %s", held.record))
              for model, column in tables.items()}  # fmt: skip
    assert filled[Register] == filled[service.model] == 1
    people, places = lab.people, lab.people.places
    elsewhere = people.far_centre.agency
    for role in ROLES.values():
        if role is PORTAL:
            continue
        area = role.scope is Scope.AREA
        for agency, place, sees in (
            (elsewhere, "city", area), (elsewhere, "county", area), (elsewhere, "township", area), (elsewhere, "far", False),
            (held.agency, "far", role.scope is not Scope.NONE),
        ):  # fmt: skip
            actor = lab.post(role, agency, places[place])
            with acting(actor):
                for model, column in tables.items():
                    if model._meta.db_table == "notice":
                        continue  # for an agency's own eyes
                    seen = model._default_manager.filter(**{column: held.record}).count()
                    assert seen == (filled[model] if sees else 0), (role, place, model)
                found = set(Register.objects.filter(service_code=service.code).values_list("pk", flat=True))
                rows = set(service.model._default_manager.values_list("pk", flat=True))
                assert found == rows  # facts are seen with their record, and never without
    with acting(lab.actor(PORTAL)):
        assert not Register.objects.filter(pk=held.record).exists()


def test_without_an_actor_nothing_is_seen(service: Service, lab: Lab) -> None:
    held = rich(lab)
    for model, column in hanging(service).items():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {model._meta.db_table} WHERE {column} = %s", [held.record])
            assert cursor.fetchone() == (0,), model


def test_a_record_that_is_given_away_is_out_of_sight(service: Service, lab: Lab) -> None:
    """What an agency owes it sees; from the moment that another owes it, it does not."""
    for action in service.procedure:
        if action.creates or HANDLER not in action.by:
            continue
        held = lab.ready(action)
        actor, before = lab.actor(HANDLER, held), held.agency
        lab.do(held, action, actor)
        with acting(actor):
            assert Register.objects.filter(pk=held.record).exists() == (held.agency == before), action.code
    assert lab.actor(OPERATOR).own is not None
