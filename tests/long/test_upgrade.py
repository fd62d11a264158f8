"""A city of the release before, with people's matters in it, becomes one of this release while its old pages still work."""

import html
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gongzhi.client import Client

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "2baa40ff00482cd2826f0f282812f26f3a124094"
"""The release before: the last commit of its line."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of the release before, with this one's page assets."""
    folder = tmp_path_factory.mktemp("old")
    made = subprocess.run(["git", "archive", BEFORE, "src"], cwd=ROOT, capture_output=True)
    if made.returncode:
        pytest.skip("this clone does not reach back to the release before")
    subprocess.run(["tar", "-x", "-C", folder], input=made.stdout, check=True)
    shutil.copytree(
        ROOT / "src/gongzhi/web/static/vendor", folder / "src/gongzhi/web/static/vendor", dirs_exist_ok=True
    )
    return folder / "src"


def _environment(home: Path, source: Path) -> dict[str, str]:
    held = {name: value for name, value in os.environ.items() if not name.startswith(("GONGZHI_", "DATABASE_"))}
    return held | {"GONGZHI_HOME": str(home), "PYTHONPATH": str(source), "DJANGO_SETTINGS_MODULE": "gongzhi.settings"}


def _run(home: Path, source: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gongzhi.cli.main", *arguments], env=_environment(home, source), cwd=home,
        capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@contextmanager
def _serving(home: Path, source: Path) -> Iterator[Client]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web = subprocess.Popen(
        [sys.executable, "-m", "gongzhi.cli.main", "serve", "--port", str(port), "--workers", "1"],
        env=_environment(home, source), cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            time.sleep(0.1)
        city = Client(f"http://127.0.0.1:{port}")
        city.sign_in("operator", "gongzhi2026")
        yield city
    finally:
        web.terminate()
        web.wait(60)


def _work(home: Path, source: Path, until: str) -> None:
    """Let the worker of this source run until the query counts something."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "gongzhi.cli.main", "worker"], env=_environment(home, source), cwd=home,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(30):
            if '"count": 0' not in _run(home, source, "db", "sql", until, "--as", "owner", "--json"):
                return
            time.sleep(1)
        pytest.fail("the worker told nothing")
    finally:
        worker.terminate()
        worker.wait(60)


def _notices(base: str, language: str) -> str:
    """Return the operator's page of what was assigned, as a browser gets it in this language: deadlines depend on the hour."""
    web = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    web.addheaders = [("Accept-Language", language)]
    form = web.open(f"{base}/signin").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token
    told = {"login": "operator", "password": "gongzhi2026", "csrfmiddlewaretoken": token[1]}
    web.open(f"{base}/signin", urllib.parse.urlencode(told).encode())
    page: str = web.open(base + "/work/notices?kind=assigned").read().decode()
    return re.sub(r"</?span[^>]*>", "", html.unescape(page))


@pytest.mark.timeout(900)
def test_a_populated_city_of_the_release_before_is_upgraded_while_its_old_pages_work(old: Path, tmp_path: Path) -> None:
    home, new = tmp_path, ROOT / "src"
    home.chmod(0o755)
    _run(home, old, "init", "--city", "huaian", "--sample", "small")
    with _serving(home, old) as before:
        first = before.create("request", detail="升级以前的一条：路灯不亮", point=[119.02, 33.60])
        told = f"n JOIN register r ON r.id = n.record_id WHERE n.text <> '' AND r.number = '{first['number']}'"
        _work(home, old, f"SELECT count(*) FROM notice {told}")  # and not only what the sample's matters bring
        counted = _run(home, old, "db", "sql", "SELECT count(*) FROM entry", "--as", "owner")
        said = _run(home, new, "upgrade")
        assert "已备份到" in said
        assert _run(home, new, "db", "sql", "SELECT count(*) FROM entry", "--as", "owner") == counted
        assert len(list((home / "backups").glob("*.tar"))) == 1
        record = before.get("request", first["number"])
        assigned = before.do(
            record, "assign", agency=record["agency"], category="build"
        )  # the old functions stay a release
        assert assigned["stage"] == "assigned"
        second = before.create("request", detail="升级以后，旧网页上的一条")
    with _serving(home, new) as after:
        numbers = {row["number"] for row in after.list("request", order="-opened")}
        assert {first["number"], second["number"]} <= numbers
        assert after.get("request", first["number"])["facts"]["detail"] == "升级以前的一条：路灯不亮"
        third = after.create("request", detail="新网页上的一条")
        assert third["number"] > second["number"]
        assert len(list(after.list("house"))) > 0
        _work(home, new, "SELECT count(*) FROM notice WHERE text = ''")
        kept = f"{first['number']}《升级以前的一条：路灯不亮》转到您单位"
        for language, fresh in (
            ("zh-hans", f"{third['number']}《新网页上的一条》转到您单位"),
            ("en", f"{third['number']} “新网页上的一条” is now with your agency"),
        ):
            page = _notices(after.base, language)
            assert kept in page  # what was told before the upgrade keeps its sentence
            assert fresh in page
    assert "已是这个版本" in _run(home, new, "upgrade")
    assert len(list((home / "backups").glob("*.tar"))) == 1  # nothing to do, nothing to back up
    _run(home, new, "check")
