"""Loading many requests, beside a plain COPY of the very same rows into a twin of the database.

In each round the product makes ``rows`` requests from a table in memory (form, person, position and key each), whole:
checked, sealed, worded, numbered, with their entries, by this process and its helpers (``kernel/helpers.py``). Then the
finished rows of all six tables are read out in COPY's binary form and, in one transaction, copied into the twin, which has
the same indexes, constraints and triggers. That copy is the limit: no row is made there, only stored, and by one process of
the server alone. It is neither spared nor helped: it checks each reference by its trigger, as a plain COPY does, where the
product checks them by joins; it needs one commit for all rows, where the product makes one for each thousand.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg

from bench.city import PASSWORD, City, cpu_of_children, twin

TABLES = ("register", "record_key", "register_words", "request", "entry", "party")
_PIECE = 256_000  # bytes of a COPY that are sent at once
_ALONE = 300  # rows that go through act() in each round
_KINDS = ("help", "complaint", "advice", "question")
_STREETS = ("健康西路", "解放路", "淮海东路", "翔宇大道", "承德路", "北京南路", "水渡口大道")
_THINGS = ("路灯已经三天不亮了", "井盖松动", "垃圾没有人清运", "夜里施工声音太大", "自来水发黄", "公交车总是晚点")
_WISHES = ("请尽快派人维修", "希望有人来看看", "晚上老人和孩子出行很不安全", "已经反映过两次没有结果")


def measure(held: City, seconds: float, rounds: int, rows: int = 10_000) -> dict[str, Any]:  # noqa: ARG001 (rows, not time)
    """Return rows per second of product and limit, and the ratio round by round; beside them ``act()``, row by row."""
    from gongzhi.kernel import bulk
    from gongzhi.kernel.act import act
    from gongzhi.kernel.context import actors_of
    from gongzhi.kernel.models import Place
    from gongzhi.kernel.signin import sign_in

    operator = actors_of(sign_in("operator", PASSWORD, "bench"))[0]
    places = list(Place.objects.filter(level="village", ended_on=None).order_by("path").values_list("pk", flat=True))
    taken: dict[str, list[float]] = {"copy": [], "bulk": [], "act": [], "cpu": []}
    with twin(held) as beside, psycopg.connect(held.admin) as source, psycopg.connect(beside) as target:
        for turn in range(rounds + 1):  # the first one warms up
            many = rows if turn else min(rows, 2000)
            started, used = time.perf_counter(), _cpu()
            made = [one.number for one in bulk.act_many(operator, "request", given(many, turn, places))]  # type: ignore[union-attr]
            product, used = time.perf_counter() - started, _cpu() - used
            limit = _copied(source, target, made)
            started = time.perf_counter()
            for row in given(_ALONE, turn, places):
                act(operator, "request", "file", form=row.form, key=f"alone:{row.key}")
            alone = time.perf_counter() - started
            if turn:
                taken["act"].append(_ALONE / alone)
                taken["bulk"].append(many / product)
                taken["copy"].append(many / limit)
                taken["cpu"].append(used / many * 1e6)
    ratios = [bulk / copy for bulk, copy in zip(taken["bulk"], taken["copy"], strict=True)]
    return {
        "rows_a_round": rows,
        "copy_per_second": round(statistics.median(taken["copy"])),
        "bulk_per_second": round(statistics.median(taken["bulk"])),
        "act_per_second": round(statistics.median(taken["act"])),
        "bulk_ratio": round(statistics.median(ratios), 3),
        "bulk_ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "python_us_a_row": round(statistics.median(taken["cpu"]), 1),
        "loader": "this process and its helpers, on the same cores",
    }


def _cpu() -> float:
    """Return the CPU seconds of this process and of those that it has started and seen end."""
    return time.process_time() + cpu_of_children()


def given(rows: int, turn: int, places: list[int]) -> Iterator[Any]:
    """Yield requests as a table would bring them."""
    from gongzhi.kernel.bulk import Row

    for number in range(rows):
        street, thing, wish = (of[number // k % len(of)] for k, of in ((1, _STREETS), (7, _THINGS), (42, _WISHES)))
        yield Row(
            {
                "detail": f"{street}{number % 300}号门口，{thing}，{wish}。第{number}次来电，门牌以现场为准，附近有学校。",
                "nature": _KINDS[number % 4], "place": places[number * 7 % len(places)], "address": f"{street}{number % 300}号",
                "point": f"{119 + number % 97 / 1000:.6f},{33.5 + number % 89 / 1000:.6f}", "channel": "import",
                "asker_name": "周女士", "asker_phone": f"138{number:08d}",
            },
            key=f"bench:{turn}:{number}",
        )  # fmt: skip


def _copied(source: psycopg.Connection[Any], target: psycopg.Connection[Any], numbers: list[str]) -> float:
    """Read the finished rows out, copy them into the twin in one transaction; return the seconds of the second part."""
    with ExitStack() as kept:
        ready = [(table, kept.enter_context(tempfile.TemporaryFile())) for table in TABLES]
        _read_out(source, ready, numbers)
        started = time.perf_counter()
        with target.transaction():
            for table, file in ready:
                with target.cursor().copy(f"COPY {table} FROM STDIN (FORMAT binary)") as into:  # type: ignore[arg-type]
                    while piece := file.read(_PIECE):
                        into.write(piece)
        return time.perf_counter() - started


def _read_out(source: psycopg.Connection[Any], ready: list[tuple[str, Any]], numbers: list[str]) -> None:
    with source.transaction():
        source.execute(
            "CREATE TEMP TABLE chosen ON COMMIT DROP AS SELECT id FROM register WHERE number = ANY (%s)", [numbers]
        )
        for table, file in ready:
            key = "id" if table == "register" else "record_id"
            with source.cursor().copy(
                f"COPY (SELECT t.* FROM {table} t JOIN chosen c ON c.id = t.{key}) TO STDOUT (FORMAT binary)"  # type: ignore[arg-type]
            ) as out:
                for piece in out:
                    file.write(piece)
            file.seek(0)
