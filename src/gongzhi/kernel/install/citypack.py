"""The city pack in the database: places, agencies, the parts of the system that act. Adds and renames, never removes."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.utils import timezone

from gongzhi.kernel.models import Account, Agency, Place, PlaceName, Post
from gongzhi.kernel.pack import AccountRow, AgencyRow, Pack, PlaceRow, load_pack
from gongzhi.kernel.places import child_path
from gongzhi.kernel.roles import CLOCK, LOADER, PORTAL

DIRECTORY = UUID(int=0)
"""The id of the register row whose chain of entries holds the changes of places, agencies, accounts and posts."""


def load_city(code: str) -> dict[str, int]:
    """Add what the pack of the city has and the database lacks. Returns rows added, by kind."""
    pack = load_pack(code)
    with transaction.atomic(using="owner"):
        places, added_places = _places(pack.places, pack.city.order)
        agencies, added_agencies = _agencies(pack.agencies, places)
        top = places[pack.top.code]
        dispatch = next(agencies[row.code] for row in pack.agencies if row.kind == "dispatch")
        added = 0
        for role in (PORTAL, CLOCK, LOADER):
            account, fresh = _db(Account).get_or_create(login=role.code, defaults={"name": role.title})
            if fresh:
                added += 1
                _db(Post).create(
                    account=account, agency=dispatch, role=role.code, place=top, since=timezone.localdate()
                )
        _directory(dispatch, top)
    return {"places": added_places, "agencies": added_agencies, "accounts": added}


def other_city(run: Callable[[str], Any], pack: Pack) -> str:
    """Return why a database is not this pack's city, "" where it is, or where it is nobody's yet.

    A database remembers its city by the codes that its topmost place has borne. ``run`` executes a statement and returns all
    its rows. In both languages, because which of them people here read is the very thing that is in doubt.
    """
    if run("SELECT to_regclass('public.place_name')")[0][0] is None:
        return ""
    held = run(
        "SELECT n.code, l.name FROM public.place l JOIN public.place_name n ON n.place_id = l.id WHERE l.parent_id IS NULL"
    )
    if not held or pack.top.code in {code for code, _ in held}:
        return ""
    mine, yours = held[0][1], pack.top.name
    return (
        f"这个数据库是“{mine}”的，不能用作“{yours}”。请去掉 GONGZHI_CITY，或另设 GONGZHI_HOME。什么都没有改变。 "
        f"This database is {mine}'s and cannot be {yours}'s: unset GONGZHI_CITY, or choose another GONGZHI_HOME. Nothing was changed."
    )


def load_accounts(code: str, password_hash: str) -> list[AccountRow]:
    """Add the pack's sample accounts with their posts, all with one password; for demonstrations only."""
    pack = load_pack(code)
    with transaction.atomic(using="owner"):
        places = {place.code: place for place in _db(Place).all()}
        agencies = {agency.code: agency for agency in _db(Agency).all()}
        for row in pack.accounts:
            account, fresh = _db(Account).get_or_create(login=row.login, defaults={"name": row.name})
            if not fresh:
                continue
            for post in row.posts:
                _db(Post).create(
                    account=account, agency=agencies[post.agency], role=post.role, place=places[post.place],
                    since=timezone.localdate(),
                )  # fmt: skip
            with connections["owner"].cursor() as cursor:
                cursor.execute("UPDATE account SET password = %s WHERE id = %s", [password_hash, account.pk])
    return list(pack.accounts)


def _db(model: Any) -> Any:
    return model._default_manager.using("owner")


def _places(rows: Iterable[PlaceRow], order: Mapping[str, int]) -> tuple[dict[str, Place], int]:
    held = {place.code: place for place in _db(Place).all()}
    taken: dict[str, set[str]] = {}
    for place in held.values():
        taken.setdefault(place.path[:-2], set()).add(place.path)
    fresh: list[Place] = []
    waiting = sorted((row for row in rows if row.code not in held), key=lambda row: order[row.level])
    names: list[tuple[Place, PlaceRow]] = []
    next_id = max((place.pk for place in held.values()), default=0)
    for row in waiting:
        parent = held[row.parent] if row.parent else None
        siblings = taken.setdefault(parent.path if parent else "", set())
        path = child_path(parent.path if parent else "", siblings)
        siblings.add(path)
        next_id += 1
        held[row.code] = Place(
            id=next_id, parent_id=parent.pk if parent else None, path=path, level=row.level, name=row.name,
            code=row.code, lon=row.lon, lat=row.lat, ended_on=row.ended_on,
        )  # fmt: skip
        fresh.append(held[row.code])
        names.append((held[row.code], row))
    _db(Place).bulk_create(fresh, batch_size=2000)
    _db(PlaceName).bulk_create(
        [
            PlaceName(place_id=place.pk, name=name.name, code=name.code, since=name.since, until=name.until)
            for place, row in names
            for name in row.names
        ],
        batch_size=2000,
    )
    if fresh:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('place', 'id'), (SELECT max(id) FROM place))")
    return held, len(fresh)


def _agencies(rows: Iterable[AgencyRow], places: dict[str, Place]) -> tuple[dict[str, Agency], int]:
    held = {agency.code: agency for agency in _db(Agency).all()}
    fresh = [
        Agency(code=row.code, title=row.title, short=row.short, kind=row.kind, place_id=places[row.place].pk)
        for row in rows
        if row.code not in held
    ]
    for agency in _db(Agency).bulk_create(fresh):
        held[agency.code] = agency
    return held, len(fresh)


def _directory(dispatch: Agency, top: Place) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO register (id, service, number, title, stage, agency_id, place_id, place_path, channel, filed_by_id,
                                  opened_at, stage_at, due_source, closed_at, alert, version, entries, head)
            SELECT %s, 'directory', '目录', '行政区划、单位、账号和岗位的变更', '', %s, %s, %s, '', p.id, now(), now(), '',
                   now(), 0, 1, 1, %s
            FROM post p JOIN account a ON a.id = p.account_id WHERE a.login = %s
            ON CONFLICT DO NOTHING
            """,
            [DIRECTORY, dispatch.pk, top.pk, top.path, hashlib.sha256(b"directory").digest(), LOADER.code],
        )
        cursor.execute("INSERT INTO record_key (record_id) VALUES (%s) ON CONFLICT DO NOTHING", [DIRECTORY])
