"""A process that acts until it is killed: it writes down each key before an act, and each answer after it.

``python -m tests.long.actor JOURNAL SEED``; the addresses of the database stand in the environment.
"""

import json
import os
import random
import sys
from typing import Any, TextIO
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gongzhi.settings")

import django

django.setup()

from gongzhi.kernel.act import Refused, act  # noqa: E402
from gongzhi.kernel.context import portal_actor  # noqa: E402
from gongzhi.kernel.vault import Upload  # noqa: E402
from tests.kernel.conftest import category  # noqa: E402
from tests.kernel.people import people  # noqa: E402


def main(journal: TextIO, seed: int) -> None:
    """Carry request after request through its procedure."""
    crew, dice, kind = people(), random.Random(seed), category()
    while True:
        form = {"detail": f"路灯不亮 {uuid4()}", "place": crew.places["township"], "asker_name": "周一"}
        steps: list[tuple[Any, str, dict[str, Any]]] = [
            (portal_actor(), "file", form),
            (crew.operator, "assign", {"agency": crew.agencies["a"], "category": kind, "note": "请处理"}),
            (crew.handler, "accept", {}),
            (crew.handler, "answer", {"answer": "已经修好"}),
        ]
        record, version = None, None
        for actor, action, values in steps:
            files = [Upload("a.txt", b"x" * 500)] if action in ("file", "answer") and dice.random() < 0.1 else []
            key = str(uuid4())
            tell(journal, ["try", key, action, str(record) if record else None, version, values, actor.post])
            try:
                done = act(actor, "request", action, record=record, version=version, form=values, files=files, key=key)
            except Refused:
                break  # the server went away: whether the act happened is for the judge to find out
            record, version = done.record, done.version
            tell(journal, ["done", key, action, str(record), version])


def tell(journal: TextIO, line: list[Any]) -> None:
    """Hand a line to the system: a killed process loses nothing of it."""
    journal.write(json.dumps(line) + "\n")
    journal.flush()


if __name__ == "__main__":
    with open(sys.argv[1], "a", encoding="utf-8") as file:  # noqa: PTH123
        main(file, int(sys.argv[2]))
