"""Places, agencies and posts change by acts of an administrator, and what hangs from them follows."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from gongzhi.kernel import directory
from gongzhi.kernel.act import Done, act
from gongzhi.kernel.context import Actor, NoPost, acting, actor_of, actors_of
from gongzhi.kernel.models import Place, PlaceName, Register
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.signin import SignInRefused, sign_in
from tests.kernel.people import People

Make = Callable[..., Done]
DAY = date(2026, 1, 1)


def test_a_new_name_leaves_the_old_one_with_its_dates(crew: People) -> None:
    place = Place.objects.get(pk=crew.places["far"])
    directory.rename_place(crew.admin, place.pk, "新名区", "320899", DAY)
    assert Place.objects.get(pk=place.pk).name == "新名区"
    held = {name.name: (name.since, name.until) for name in PlaceName.objects.filter(place=place)}
    assert held["新名区"] == (DAY, None)
    assert held[place.name][1] == DAY
    assert directory.changes(crew.admin)[0].title == "更名"
    assert directory.changes(crew.operator) == []


def test_a_township_that_moves_takes_its_records_and_who_sees_them(crew: People, request_in: Make) -> None:
    made = request_in("filed")
    with acting(crew.centre):
        assert Register.objects.filter(pk=made.record).exists()
    directory.move_place(crew.admin, crew.places["township"], crew.places["far"])
    try:
        with acting(crew.centre):
            assert not Register.objects.filter(pk=made.record).exists()
        with acting(crew.far_centre):
            assert Register.objects.get(pk=made.record).place_id == crew.places["township"]
        township = Place.objects.get(pk=crew.places["township"])
        far = Place.objects.get(pk=crew.places["far"])
        assert township.path.startswith(far.path)
        for below in Place.objects.filter(parent=township):
            assert below.path.startswith(township.path)
    finally:
        directory.move_place(crew.admin, crew.places["township"], crew.places["county"])


def test_a_merged_place_gives_its_records_and_its_name_to_the_other(crew: People) -> None:
    villages = list(Place.objects.filter(parent_id=crew.places["township"], level="village").order_by("-path")[:2])
    gone, stays = villages
    for grid in Place.objects.filter(parent=gone):
        directory.move_place(crew.admin, grid.pk, stays.pk)
    done = act(crew.operator, "request", "file", form={"detail": "路灯不亮", "place": gone.pk})
    directory.merge_places(crew.admin, gone.pk, stays.pk, DAY)
    with acting(crew.operator):
        record = Register.objects.get(pk=done.record)
        assert (record.place_id, record.place_path) == (stays.pk, stays.path)
    assert Place.objects.get(pk=gone.pk).ended_on == DAY
    assert PlaceName.objects.filter(place=stays, name=gone.name).exists()
    with pytest.raises(Invalid):
        act(crew.operator, "request", "file", form={"detail": "路灯不亮", "place": gone.pk})


def test_a_split_makes_a_place_beside_the_old_one(crew: People) -> None:
    fresh = directory.split_place(crew.admin, crew.places["township"], "新设街道", "320803999", DAY)
    assert Place.objects.get(pk=fresh).parent_id == crew.places["county"]
    with pytest.raises(Invalid, match="已经有了"):
        directory.add_place(crew.admin, crew.places["county"], "重号", "320803999", DAY)


@pytest.mark.parametrize(
    "work",
    [
        lambda c: directory.move_place(c.admin, c.places["county"], c.places["township"]),
        lambda c: directory.move_place(c.admin, c.places["township"], c.places["city"]),
        lambda c: directory.merge_places(c.admin, c.places["county"], c.places["far"], DAY),
        lambda c: directory.merge_places(c.admin, c.places["county"], c.places["county"], DAY),
        lambda c: directory.rename_place(c.admin, c.places["county"], " ", "1", DAY),
        lambda c: directory.add_account(c.admin, "x", "名", "long-enough"),
        lambda c: directory.add_account(c.admin, "fine", "名", "short"),
        lambda c: directory.add_post(c.admin, 1, c.agencies["a"], "portal", c.places["city"]),
        lambda c: directory.add_agency(c.admin, "code", "名", "名", "kingdom", c.places["city"]),
    ],
)
def test_what_does_not_fit_is_refused(work: Callable[[People], Any], crew: People) -> None:
    with pytest.raises(Invalid):
        work(crew)


def test_only_an_administrator_changes_the_directory_and_only_in_the_own_area(crew: People) -> None:
    for actor in (crew.operator, crew.handler, crew.manager, crew.centre):
        with pytest.raises(Absent):
            directory.rename_place(actor, crew.places["county"], "别名", "1", DAY)
        with pytest.raises(Absent):
            directory.add_account(actor, "intruder", "名", "long-enough")
    local = _admin_of(crew, "county")
    directory.rename_place(local, crew.places["township"], "改名街道", "320803001", DAY)
    for place in ("far", "city"):
        with pytest.raises(Absent):
            directory.rename_place(local, crew.places[place], "别名", "1", DAY)
    with pytest.raises(Absent):
        directory.set_password(local, crew.operator.account, "long-enough")


def _admin_of(crew: People, place: str) -> Actor:
    account = directory.add_account(crew.admin, f"admin-{place}", "区管理员", "long-enough")
    return actor_of(directory.add_post(crew.admin, account, crew.agencies["centre"], "admin", crew.places[place]))


def test_an_account_works_from_its_first_post_to_its_last(crew: People) -> None:
    account = directory.add_account(crew.admin, "newcomer", "新人", "first-password")
    assert sign_in("Newcomer ", "first-password", "here") == account
    assert actors_of(account) == []
    post = directory.add_post(crew.admin, account, crew.agencies["a"], "handler", crew.places["city"])
    later = directory.add_post(
        crew.admin,
        account,
        crew.agencies["b"],
        "handler",
        crew.places["city"],
        timezone.localdate() + timedelta(days=1),
    )
    assert [actor.post for actor in actors_of(account)] == [post]
    with pytest.raises(NoPost):
        actor_of(later)
    directory.set_password(actor_of(post), account, "second-password")
    with pytest.raises(SignInRefused):
        sign_in("newcomer", "first-password", "here")
    directory.end_post(crew.admin, post)
    with pytest.raises(NoPost):
        actor_of(post)
    directory.close_account(crew.admin, account)
    with pytest.raises(SignInRefused):
        sign_in("newcomer", "second-password", "here")


def test_five_wrong_passwords_lock_a_name_whether_it_exists_or_not(crew: People) -> None:
    directory.add_account(crew.admin, "careful", "名", "right-password")
    for login in ("careful", "nobody-at-all"):
        said = []
        for _ in range(6):
            with pytest.raises(SignInRefused) as refused:
                sign_in(login, "wrong", f"from-{login}")
            said.append(str(refused.value))
        assert len(set(said[:5])) == 1
        assert "暂停登录" in said[5]
    with pytest.raises(SignInRefused, match="暂停登录"):
        sign_in("careful", "right-password", "elsewhere")
