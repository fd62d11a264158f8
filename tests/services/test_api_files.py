"""Attachments by programs, for every service: the acts, rights, checks and limits of the pages."""

import io
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from django.utils.http import content_disposition_header

from gongzhi.home import home
from gongzhi.kernel.refusals import ABSENT
from gongzhi.kernel.roles import STAFF
from gongzhi.kernel.service import Service
from tests.services.lab import Held, Lab, Machine
from tests.services.test_api import PROBLEM, openapi

__all__ = ["openapi"]
NAME = "现场 照片 🔧.txt"
TEXT = "更换灯头 2 只，电缆 35 米。".encode()


def picture(colour: str = "#345") -> bytes:
    from PIL import Image

    held = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(held, "JPEG")
    return held.getvalue()


def ready(service: Service, lab: Lab) -> tuple[Held, Machine]:
    """A record, and a program that may add to it."""
    held = lab.make()
    return held, Machine(lab.doer(service.action("attach"), held))


def raw(machine: Machine, way: str, content: bytes, name: str, **headers: str) -> Any:
    return machine.client.post(
        f"/api{way}?name={quote(name)}", content, content_type="application/octet-stream",
        headers={**machine.headers, **headers},
    )  # fmt: skip


def multipart(machine: Machine, way: str, files: list[SimpleUploadedFile], key: str = "", **parts: str) -> Any:
    more = {"Idempotency-Key": key} if key else {}
    return machine.client.post(f"/api{way}", {**parts, "files": files}, headers={**machine.headers, **more})


def kept() -> set[Path]:
    return {path for path in (home() / "files").rglob("*") if path.is_file()}


def test_the_operations_are_typed(service: Service, openapi: Any) -> None:
    paths = openapi["paths"]
    way = f"/api/{service.code}/{{number}}/files"
    body = paths[way]["post"]["requestBody"]["content"]
    assert set(body) == {"multipart/form-data", "application/octet-stream"}
    assert paths[way]["post"]["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "UploadedOut"
    )
    assert {"name", "note", "Idempotency-Key"} <= {given["name"] for given in paths[way]["post"]["parameters"]}
    assert {"413", "422", "507"} <= set(paths[way]["post"]["responses"])
    assert paths[way]["get"]["operationId"] == f"{service.code}_attachments"
    assert "*/*" in paths[way + "/{file}"]["get"]["responses"]["200"]["content"]
    for action in service.procedure:
        if action.files:
            own = f"/api/{service.code}" if action.creates else f"/api/{service.code}/{{number}}/{action.code}"
            assert set(paths[own]["post"]["requestBody"]["content"]) == {"application/json", "multipart/form-data"}


def test_files_are_sent_once_listed_and_read(service: Service, lab: Lab) -> None:
    held, machine = ready(service, lab)
    way = f"/{service.code}/{held.number}/files"
    assert machine.get(way).json() == []
    once = str(uuid4())
    first = raw(machine, way, TEXT, NAME, **{"Idempotency-Key": once})
    assert first.status_code == 201, first.content
    [made] = first.json()["files"]
    assert (made["name"], made["media_type"], made["size"], made["action"]) == (NAME, "text/plain", len(TEXT), "attach")
    assert first["Location"] == made["href"]
    again = raw(machine, way, TEXT, NAME, **{"Idempotency-Key": once})
    assert (again.status_code, again.json()) == (201, {**first.json(), "repeated": True})
    photos = [SimpleUploadedFile(f"路灯 {n} 💡.jpg", picture(), "image/jpeg") for n in (1, 2)]
    key = str(uuid4())
    both = multipart(machine, way, photos, key, note="修好以后")
    assert [file["name"] for file in both.json()["files"]] == ["路灯 1 💡.jpg", "路灯 2 💡.jpg"]
    for photo in photos:
        photo.seek(0)
    assert multipart(machine, way, photos, key, note="修好以后").json()["repeated"]
    listed = Machine(lab.watcher).get(way).json()
    assert [file["name"] for file in listed] == [NAME, "路灯 1 💡.jpg", "路灯 2 💡.jpg"]
    answer = machine.client.get(made["href"], headers=machine.headers)
    assert b"".join(answer.streaming_content) == TEXT
    assert answer["Content-Disposition"] == content_disposition_header(as_attachment=True, filename=NAME)
    assert answer["Content-Length"] == str(len(TEXT))
    history = machine.get(f"/{service.code}/{held.number}/history").json()
    assert "修好以后" in history[0]["words"].values()


def test_what_may_not_be_attached_is_refused_and_nothing_is_kept(service: Service, lab: Lab) -> None:
    held, machine = ready(service, lab)
    way = f"/{service.code}/{held.number}/files"
    before = kept()
    program = b"MZ" + b"\0" * 200
    nine = [SimpleUploadedFile(f"{n}.txt", b"x") for n in range(10)]
    answers = {
        "files": [
            raw(machine, way, program, "照片.jpg"), raw(machine, way, b"", "空.txt"),
            multipart(machine, way, [SimpleUploadedFile("照片 😀.jpg", program)]), multipart(machine, way, nine),
            multipart(machine, way, [SimpleUploadedFile("好.txt", b"x"), SimpleUploadedFile("坏.jpg", program)]),
            multipart(machine, way, []), machine.post(way, {"note": "x"}),
        ],
        "name": [raw(machine, way, TEXT, ""), raw(machine, way, TEXT, " ")],
        "note": [multipart(machine, way, [SimpleUploadedFile("好.txt", b"x")], note="长" * 3000)],
    }  # fmt: skip
    with override_settings(ATTACHMENT_LIMITS={"file": 1000, "act": 1500}):
        answers["files"] += [
            raw(machine, way, b"x" * 1001, "大.txt"),
            multipart(machine, way, [SimpleUploadedFile(f"{n}.txt", b"x" * 900) for n in range(2)]),
        ]
    for name, refused in answers.items():
        for answer in refused:
            assert (answer.status_code, answer["Content-Type"]) == (422, PROBLEM), answer.content
            assert list(answer.json()["errors"]) == [name], answer.json()
    assert kept() == before
    assert machine.get(way).json() == []


def test_who_may_not_see_the_record_sees_no_file_and_adds_none(service: Service, lab: Lab) -> None:
    held, machine = ready(service, lab)
    way = f"/{service.code}/{held.number}/files"
    made = raw(machine, way, TEXT, NAME).json()["files"][0]
    before = kept()
    for role in STAFF:
        stranger = Machine(lab.stranger(role))
        for number in (held.number, str(held.record), "XX2026999999"):
            theirs = f"/{service.code}/{number}/files"
            for answer in (stranger.get(theirs), stranger.get(f"{theirs}/{made['file']}"), raw(stranger, theirs, TEXT, NAME),
                           multipart(stranger, theirs, [SimpleUploadedFile("a.txt", b"x")])):  # fmt: skip
                assert (answer.status_code, answer["Content-Type"]) == (404, PROBLEM), role
                assert answer.json()["detail"] == ABSENT
    other = lab.make()
    for wrong in (f"/{service.code}/{other.number}/files/{made['file']}", f"{way}/{uuid4()}", f"{way}/nothing"):
        assert machine.get(wrong).status_code == 404
    assert kept() == before
    for asked in (
        Client().get(f"/api{way}"),
        Client().get(made["href"]),
        Client().post(f"/api{way}?name=a", {"files": SimpleUploadedFile("a.txt", b"x")}),
    ):
        assert asked.status_code == 401


def test_a_role_that_reads_and_may_not_add_is_refused(service: Service, lab: Lab) -> None:
    held, machine = ready(service, lab)
    way = f"/{service.code}/{held.number}/files"
    made = raw(machine, way, TEXT, NAME).json()["files"][0]
    reader = Machine(lab.people.admin)
    assert raw(reader, way, TEXT, NAME).status_code == 404
    if reader.get(f"/{service.code}/{held.number}").status_code == 200:
        assert [file["file"] for file in reader.get(way).json()] == [made["file"]]


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_file_that_the_store_lost_is_a_problem(service: Service, lab: Lab, damage: str) -> None:
    held, machine = ready(service, lab)
    way = f"/{service.code}/{held.number}/files"
    before = kept()
    made = raw(machine, way, TEXT, NAME).json()["files"][0]
    [lost] = kept() - before
    if damage == "gone":
        lost.unlink()
    else:
        *rest, last = lost.read_bytes()
        lost.write_bytes(bytes([*rest, last ^ 1]))
    answer = machine.client.get(made["href"], headers=machine.headers)
    assert (answer.status_code, answer["Content-Type"]) == (410, PROBLEM)
    assert answer.json()["type"] == "/api/problems/gone"
