"""What the tests of leaks share: two posts that see different records, plain SQL, the application's own address."""

from typing import Any

from django.db import connection

from tests.rights.world import World, viewer

NEAR, FAR = ("operator", "county", "a", False), ("operator", "far", "b", False)


def sql(text: str, *given: Any) -> list[Any]:
    """Ask as the application's role, in the transaction of the moment."""
    with connection.cursor() as cursor:
        cursor.execute(text, given)
        return list(cursor.fetchall())


def pair(made: World) -> tuple[Any, Any, Any]:
    """Return somebody, a record that the rule lets one see, and one of the same service that it hides."""
    who = viewer(made, NEAR)
    service = made.subjects[0].service
    mine = next(s for s in made.seen(who.actor) if s.service is service)
    return who, mine, next(s for s in made.hidden(who.actor) if s.service is service)


def address() -> dict[str, Any]:
    """Return how the application connects."""
    made = connection.get_connection_params()
    return {key: made[key] for key in ("dbname", "user", "password", "host", "port") if made.get(key)}
