"""Attachments for programs: sent with an act or by themselves, listed and read, under the rights and checks of the pages.

A body is either ``multipart/form-data`` (parts ``files``, and for an act ``body`` with its JSON), or for one file alone its
bytes as they are, with the name in the address.
"""

from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router

from gongzhi.kernel.context import Actor, acting
from gongzhi.kernel.models import Attachment, Register
from gongzhi.kernel.refusals import Absent, Invalid
from gongzhi.kernel.service import Service
from gongzhi.kernel.vault import Upload, limits
from gongzhi.tongue import filled, later
from gongzhi.web.api.doing import IDEMPOTENCY_KEY, answer, key_of, run
from gongzhi.web.api.problems import problem
from gongzhi.web.api.schemas import BINARY, REFUSALS, TAKEN, ErrorOut, FileOut, UploadedOut
from gongzhi.web.asked import uploads
from gongzhi.web.console.record import send
from gongzhi.web.guard import typed


def add_files(router: Router, service: Service) -> None:
    """Add the operations on the attachments of the service's records."""
    attach = service.action("attach")

    @router.get("/{number}/files", response={200: list[FileOut], **REFUSALS}, summary=later("附件列表"),
                operation_id=f"{service.code}_attachments")  # fmt: skip
    def listing(request: HttpRequest, number: str) -> Any:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            return _rows(service, Attachment.objects.filter(record=_record(actor, service, number)))

    @router.get("/{number}/files/{file}", response={**REFUSALS, 410: ErrorOut}, summary=later("下载附件"), operation_id=f"{service.code}_attachment",
                openapi_extra={"responses": {200: {"description": later("文件内容"), "content": {"*/*": {"schema": BINARY}}}}})  # fmt: skip
    def read(request: HttpRequest, number: str, file: str) -> HttpResponse:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        with acting(actor):
            found = Attachment.objects.filter(pk=_id(file), record=_record(actor, service, number)).first()
            if found is None:
                raise Absent
            sent = send(found)
        return sent if sent.status_code == 200 else problem("gone", request, sent.content.decode())

    @router.post("/{number}/files", response={201: UploadedOut, **REFUSALS, **TAKEN}, summary=attach.title, description=_describe(),
                 operation_id=f"{service.code}_upload", openapi_extra=_upload_extra())  # fmt: skip
    def upload(
        request: HttpRequest, number: str, name: str = "", note: str = "", key: str | None = IDEMPOTENCY_KEY
    ) -> HttpResponse:
        actor: Actor = request.auth  # type: ignore[attr-defined]
        record = key_of(actor, service, number)
        files, said = _sent(request, name)
        key = key or str(uuid4())
        note = said or note
        done = run(request, service, attach, record, {"note": note} if note else {}, None, key, files)
        with acting(actor):
            made = Attachment.objects.filter(record=done.record, entry__post=actor.post, entry__idem=key)
            rows = _rows(service, made)
        return answer(done, 201, rows[0]["href"] if rows else "", files=rows)


def _upload_extra() -> dict[str, Any]:
    parts = {
        "type": "object",
        "required": ["files"],
        "properties": {
            "files": {"type": "array", "items": BINARY, "minItems": 1, "maxItems": limits().files},
            "note": {"type": "string"},
        },
    }
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": parts}, "application/octet-stream": {"schema": BINARY}},
        },
    }


def _describe() -> str:
    held = limits()
    words = later(
        "用 multipart/form-data 传一个或几个文件（files，可加 note），或把一个文件的内容直接作为正文，文件名写在 name 里。一次最多 {files} 个，每个不超过 {megabytes} MB。"
    )
    return filled(words, files=held.files, megabytes=held.file // 2**20)


def _sent(request: HttpRequest, name: str) -> tuple[list[Upload], str]:
    """Return the files that came, and the note beside them. Raises Invalid."""
    if request.content_type == "multipart/form-data":
        files = uploads(request)
        if not files:
            raise Invalid({"files": [_("没有收到文件。请放在名为 files 的部分里。")]})
        return files, request.POST.get("note", "")
    if request.content_type == "application/json":
        raise Invalid({"files": [_("请用 multipart/form-data 传文件，或把文件内容直接作为正文。")]})
    if not typed(name, 200):
        raise Invalid({"name": [_("请在 name 里写上文件名，例如 ?name=现场.jpg。")]})
    # Read by hand: what Django holds in memory at once is far less than a file may have.
    content = request.read(limits().file + 1)
    return [Upload(name, content)], ""


def _record(actor: Actor, service: Service, number: str) -> Register:
    found = Register.objects.filter(pk=key_of(actor, service, number), service_code=service.code).first()
    if found is None:
        raise Absent
    return found


def _id(text: str) -> UUID:
    """Return the id of a file. Raises Absent."""
    try:
        return UUID(text)
    except ValueError:
        raise Absent from None


def _rows(service: Service, found: Any) -> list[dict[str, Any]]:
    return [
        {
            "file": str(file.pk), "name": file.name, "media_type": file.media_type, "size": file.size,
            "at": file.entry.at.isoformat(), "action": file.entry.action,
            "href": f"/api/{service.code}/{file.record.number}/files/{file.pk}",
        }
        for file in found.select_related("entry", "record").order_by("pk")
    ]  # fmt: skip
