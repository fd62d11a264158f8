"""Bad input is a feature: whatever comes, one sentence in Chinese, nothing lost, nothing half done."""

import io
import os
import re
import shutil
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gongzhi.kernel.act import Done, act
from gongzhi.kernel.context import acting, loader_actor, portal_actor
from gongzhi.kernel.files import open_file
from gongzhi.kernel.models import Attachment, Entry, Register
from gongzhi.kernel.procedure import Action
from gongzhi.kernel.refusals import Refused
from gongzhi.kernel.service import service
from gongzhi.kernel.vault import NoRoom, Rejected, Upload
from tests.kernel.people import People

Make = Callable[..., Done]
REQUEST = service("request")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def stored() -> set[Path]:
    return {path for path in (Path(os.environ["GONGZHI_HOME"]) / "files").rglob("*") if path.is_file()}


def count(crew: People) -> tuple[int, int, int]:
    with acting(crew.operator):
        return Register.objects.count(), Entry.objects.count(), Attachment.objects.count()


def picture() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(target, "PNG")
    return target.getvalue()


def archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("run.exe", b"MZ")
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("照片.jpg", b"MZ\x90\x00" + b"\0" * 600), ("照片.jpg", b"\x7fELF" + b"\0" * 600), ("说明.pdf", b"<html><script>1</script>"),
        ("x.html", b"<html></html>"), ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), ("x.zip", archive()), ("空.txt", b""),
        ("x.exe", b"MZ"), ("坏.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40), ("大.txt", b"a" * (21 * 2**20)),
    ],
)  # fmt: skip
def test_a_file_that_may_not_be_attached_leaves_neither_record_nor_file(
    name: str, content: bytes, crew: People
) -> None:
    before, files = count(crew), stored()
    with pytest.raises(Rejected) as refused:
        act(
            crew.operator,
            "request",
            "file",
            form={"detail": "路灯不亮"},
            files=[Upload("好.png", picture()), Upload(name, content)],
        )
    assert CHINESE.search(str(refused.value))
    assert count(crew) == before
    assert stored() == files


@pytest.mark.parametrize(
    "name",
    [
        "现场照片😀.png",
        "𠮷野家.png",
        "../../etc/passwd.png",
        "a\u202egnp.exe",
        "C:\\fakepath\\图.png",
        "x" * 400 + ".png",
    ],
)
def test_odd_file_names_come_through_clean_and_the_file_can_be_read_again(name: str, crew: People) -> None:
    done = act(crew.operator, "request", "file", form={"detail": "路灯不亮"}, files=[Upload(name, picture())])
    with acting(crew.operator):
        kept = Attachment.objects.get(record_id=done.record)
        assert not set(kept.name) & set("/\\\u202e\0")
        assert kept.name.endswith(".png")
        assert len(kept.name) <= 200
        assert b"".join(open_file(kept)).startswith(b"\x89PNG")


def test_a_file_with_an_action_that_takes_none_is_told(crew: People, request_in: Make) -> None:
    made, files = request_in("assigned"), stored()
    with pytest.raises(Refused, match="不能带附件"):
        act(
            crew.handler,
            "request",
            "accept",
            record=made.record,
            version=made.version,
            files=[Upload("a.png", picture())],
        )
    assert stored() == files


def test_the_files_of_an_act_that_did_not_happen_are_gone(crew: People, request_in: Make) -> None:
    made = request_in("working")
    act(crew.handler, "request", "answer", record=made.record, version=made.version, form={"answer": "好"})
    files = stored()
    with pytest.raises(Refused):
        act(
            crew.handler, "request", "answer", record=made.record, version=made.version, form={"answer": "又"},
            files=[Upload("a.png", picture())],
        )  # fmt: skip
    assert stored() == files


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_keeps_the_record_from_being_half_made(crew: People) -> None:
    folder = Path(os.environ["GONGZHI_HOME"]) / "files"
    folder.mkdir(exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(folder)], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let root mount")
    try:
        before = count(crew)
        with pytest.raises(NoRoom) as refused:
            act(crew.operator, "request", "file", form={"detail": "路灯不亮"}, files=[Upload("大.txt", b"a" * 200_000)])
        assert CHINESE.search(str(refused.value))
        assert count(crew) == before
        assert act(crew.operator, "request", "file", form={"detail": "没有附件照样登记"}).version == 1
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_form_sent_eight_times_at_once_with_a_file_makes_one_record_with_one_file(crew: People) -> None:
    key, files, gate = str(uuid4()), stored(), threading.Barrier(8)

    def send(_: int) -> Any:
        gate.wait()
        try:
            return act(
                portal_actor(),
                "request",
                "file",
                form={"detail": "路灯不亮"},
                files=[Upload("a.png", picture())],
                key=key,
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(send, range(8)))
    assert len({done.record for done in made}) == 1
    assert len(stored() - files) == 1


def test_a_connection_that_broke_is_taken_up_again_when_the_key_makes_that_safe(crew: People, server: Any) -> None:
    import psycopg

    from gongzhi.kernel.act import Unreachable

    def cut() -> None:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            name = connections["default"].settings_dict["NAME"]
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename LIKE '%%_app'",
                [name],
            )

    act(crew.operator, "request", "file", form={"detail": "先连上"})
    cut()
    assert not act(crew.operator, "request", "file", form={"detail": "断了再来"}, key=str(uuid4())).repeated
    cut()
    with pytest.raises(Unreachable, match="没有丢失"):
        act(crew.operator, "request", "file", form={"detail": "没有编号"})
    assert act(crew.operator, "request", "file", form={"detail": "再试一次"}).version == 1


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=60), st.binary(max_size=20), st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2), st.sampled_from(["\x00", "\ud800", "' OR 1=1 --", "9" * 400, "<script>"]),
)  # fmt: skip


@pytest.mark.parametrize("action", REQUEST.procedure.actions, ids=lambda action: action.code)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_of_any_kind_in_any_form_breaks_the_door(action: Action, data: st.DataObject, crew: People) -> None:
    fields = REQUEST.form(action).fields
    form = {name: data.draw(values, label=name) for name in fields if data.draw(st.booleans())}
    actor = {
        "operator": crew.operator, "handler": crew.handler, "manager": crew.manager, "centre": crew.centre, "grid": crew.grid,
        "portal": portal_actor(), "loader": loader_actor(),
    }.get(action.by[0].code, crew.manager)  # fmt: skip
    record = None if action.creates else _some(crew)
    try:
        act(
            actor,
            "request",
            action.code,
            record=record,
            version=data.draw(st.one_of(st.none(), st.integers())),
            form=form,
        )
    except Refused as refusal:
        assert CHINESE.search(str(refusal))


_kept: list[Any] = []


def _some(crew: People) -> Any:
    if not _kept:
        _kept.append(act(crew.operator, "request", "file", form={"detail": "路灯不亮"}).record)
    return _kept[0]


@pytest.mark.parametrize("text", ["路灯\x00不亮", "半个\ud83d", "\ud800"])
def test_characters_that_no_database_keeps_are_told(text: str, crew: People) -> None:
    with pytest.raises(Refused) as refused:
        act(crew.operator, "request", "file", form={"detail": text})
    assert CHINESE.search(str(refused.value))


def test_a_key_file_that_is_gone_stops_the_act_and_writes_nothing(crew: People, request_in: Make) -> None:
    from gongzhi.kernel import keys

    made, before = request_in("assigned"), count(crew)
    other = Path(tempfile.mkdtemp()) / "missing"
    os.environ["GONGZHI_MASTER_KEY_FILE"] = str(other)
    keys.forget_keyring()
    try:
        with pytest.raises(keys.KeyFileError, match="不存在"):
            act(crew.operator, "request", "file", form={"detail": "路灯不亮"})
    finally:
        del os.environ["GONGZHI_MASTER_KEY_FILE"]
        keys.forget_keyring()
        shutil.rmtree(other.parent)
    assert count(crew) == before
    assert act(crew.handler, "request", "accept", record=made.record, version=made.version).stage == "working"
