"""`ledger verify` reads a ledger of any size in the same memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from gongzhi.kernel.bulk import Row, act_many
from gongzhi.kernel.seals.sealing import seal
from gongzhi.postgres.urls import address_of
from tests.kernel.people import people

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="另一种系统用别的单位报告内存"),
]
FEW, MANY = 20_000, 80_000
_GROWTH = 16 * 1024  # KiB; the entries that are added have more than 60 MiB


def test_a_ledger_four_times_as_long_is_checked_in_the_same_memory(database: Any, tmp_path: Path) -> None:
    operator = people().operator
    made = 0
    peaks = []
    for wanted in (FEW, MANY):
        rows = (Row({"detail": f"第{n}件：路灯不亮，请派人来看。{'附近有学校。' * 20}"}) for n in range(made, wanted))
        made += sum(1 for _ in act_many(operator, "request", rows))
        seal()
        peaks.append(peak_of_verify(tmp_path, made, dict(os.environ, **addresses())))
    assert peaks[1] - peaks[0] < _GROWTH, peaks


def addresses() -> dict[str, str]:
    return {
        variable: address_of(connections[alias].settings_dict)
        for variable, alias in (("DATABASE_URL", "default"), ("DATABASE_OWNER_URL", "owner"))
    }


def peak_of_verify(folder: Path, entries: int, environment: dict[str, str]) -> int:
    """Run the command as a process of its own; return the most memory that it held, in KiB."""
    said = folder / "said.json"
    with said.open("wb") as out:
        command = [sys.executable, "-m", "gongzhi.cli.main", "ledger", "verify", "--json"]
        child = subprocess.Popen(command, stdout=out, env=environment)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, said.read_text()
    assert json.loads(said.read_text().splitlines()[-1])["sealed"] >= entries
    return used.ru_maxrss
