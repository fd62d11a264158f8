"""How often something may be done from one source. Not records: written outside the one door."""

from django.db import connection


def allow(key: str, *, count: int, seconds: int) -> bool:
    """Count one more and return whether it is within ``count`` for this key in the running window of ``seconds``."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO rate AS r (key, count, since) VALUES (%s, 1, now())
            ON CONFLICT (key) DO UPDATE
               SET count = CASE WHEN r.since < now() - make_interval(secs => %s) THEN 1 ELSE r.count + 1 END,
                   since = CASE WHEN r.since < now() - make_interval(secs => %s) THEN now() ELSE r.since END
            RETURNING count
            """,
            [key[:120], seconds, seconds],
        )
        row = cursor.fetchone()
    return bool(row and row[0] <= count)


def sweep() -> int:
    """Forget counters older than a day; the worker calls it. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM rate WHERE since < now() - interval '1 day'")
        return int(cursor.rowcount)
