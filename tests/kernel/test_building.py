"""A migration that builds an index does so while people work, and two installations at once do not wait for each other for ever."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection, connections, transaction

from gongzhi.kernel import erasure
from gongzhi.kernel.act import Done
from gongzhi.kernel.install import install
from tests.kernel.people import People
from tests.services.lab import owner_rows

Make = Callable[..., Done]
_BUILDING = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'register_ending' AND NOT i.indisvalid"


def test_people_go_on_while_the_index_of_what_ends_is_built(crew: People, request_in: Make, owner: Any) -> None:
    """As in a city of the release before: no index, nothing that says it was erased, and somebody in the middle of an act."""
    gone = request_in("closed")
    erasure.erase(gone.number, "person")
    with owner.cursor() as cursor:
        cursor.execute("DROP INDEX register_ending")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'kernel' AND name = '0012_ending'")
        cursor.execute("UPDATE register SET erased = false WHERE number = %s", [gone.number])
    failed: list[BaseException] = []

    def upgrade() -> None:
        try:
            install(load=False)
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    both = [threading.Thread(target=upgrade) for _ in range(2)]
    with transaction.atomic(using="owner"):
        with owner.cursor() as cursor:
            cursor.execute("UPDATE register SET title = title WHERE number = %s", [request_in("filed").number])
        for one in both:
            one.start()
        for _ in range(300):
            with owner.cursor() as cursor:
                cursor.execute(_BUILDING)
                if cursor.fetchone()[0]:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("nothing is built")
        connection.cursor().execute("SET lock_timeout = '5s'")
        assert request_in("answered").stage == "answered"
        connection.cursor().execute("RESET lock_timeout")
    for one in both:
        one.join(60)
    assert failed == []
    assert owner_rows(
        "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = 'register_ending'"
    ) == [(True,)]
    assert owner_rows("SELECT erased FROM register WHERE number = %s", gone.number) == [(True,)]
