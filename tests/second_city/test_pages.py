"""Testville's pages open, its places can be chosen, and what is filed is due when its offices close."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Place, Register
from gongzhi.kernel.roles import CENTRE
from gongzhi.web.asked import below, places_to_choose


@pytest.mark.parametrize("path", ["/", "/report", "/follow", "/signin"])
def test_the_portal_opens(city: str, path: str) -> None:
    answer = Client().get(path, follow=True)
    assert answer.status_code == 200


def test_the_portal_calls_the_citys_parts_as_the_pack_does(city: str) -> None:
    front = Client().get("/").content.decode()
    assert "Fewer than 10 were solved in each district last month" in front
    for path in ("/", "/report", "/services", "/follow"):
        assert "county" not in Client().get(path).content.decode().lower()
    assert str(CENTRE.title) == "District centre"
    chinese = Client(headers={"accept-language": "zh-hans"})
    assert "上月各城区办结的都少于 10 件" in chinese.get("/").content.decode()


@pytest.mark.parametrize(
    "path",
    ["/work/", "/work/deadlines", "/work/s/request/", "/work/s/house/", "/work/map", "/work/places", "/work/import"],
)
def test_the_console_opens(at_desk: Callable[[str], Client], path: str) -> None:
    login = "admin" if "places" in path else "operator" if "import" in path else "manager"
    assert at_desk(login).get(path).status_code == 200


def test_the_place_picker_goes_down_to_the_neighborhoods(city: str, actor: Callable[[str], Actor]) -> None:
    with acting(actor("operator")):
        groups = dict(places_to_choose())
        assert list(groups) == ["Testville", "Central District", "Harbor District", "South District", "West District"]
        assert [name for _, name in groups["Harbor District"]][1:] == ["Charlestown", "East Boston", "South Boston"]
        assert below(Place.objects.get(code="tv-h-01")) == []


def test_a_matter_filed_now_is_due_in_the_citys_time(filed: Callable[..., Any], actor: Callable[[str], Actor]) -> None:
    done = filed(detail="The street light in front of 12 Elm Street is out.")
    with acting(actor("operator")):
        record = Register.objects.get(pk=done.record)
    assert record.due_at is not None
    assert f"{timezone.localtime(record.due_at):%H:%M}" == "17:00"
