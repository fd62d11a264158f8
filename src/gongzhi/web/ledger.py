"""The ledger's public side: the newest checkpoint, the key, the tree's hashes (C2SP tlog-tiles), a page that explains them.

Nothing here tells of a matter: a leaf's hash covers a digest of salted digests.
"""

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from gongzhi.kernel.keys import KeyFileError
from gongzhi.kernel.models import Checkpoint as Kept
from gongzhi.kernel.seals import merkle, sealing
from gongzhi.kernel.seals.signing import origin, seal_keys

_PATH = re.compile(r"((?:x\d{3}/)*)(\d{3})(?:\.p/(\d{1,3}))?")
_WHOLE = 1 << merkle.TILE


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show when the ledger was sealed last, and how anybody checks it."""
    held = Kept.objects.prefetch_related("cosignatures").order_by("-size").first()
    try:
        key = str(seal_keys().signer.verifier) if held else ""
    except KeyFileError:
        key = ""
    return render(request, "web/portal/ledger.html", {"held": held, "key": key, "origin": origin()})


@require_safe
def checkpoint(_: HttpRequest) -> HttpResponse:
    """Return the newest checkpoint as a signed note."""
    held = sealing.latest()
    if held is None:
        raise Http404
    return _plain(held.note, "no-cache")


@require_safe
def key(_: HttpRequest) -> HttpResponse:
    """Return the verifier keys, the one in use first."""
    try:
        return _plain("".join(f"{verifier}\n" for verifier in seal_keys().verifiers), "no-cache")
    except KeyFileError as error:
        raise Http404 from error


@require_safe
def tile(_: HttpRequest, level: int, path: str) -> HttpResponse:
    """Return 256 hashes of a level of the tree, or the first of them where the tree ends within the tile (``.p/W``)."""
    found = _PATH.fullmatch(path)
    if not found or level > 7:
        raise Http404
    above, last, width = found.groups()
    number = int(above.replace("x", "").replace("/", "") + last)
    count = int(width) if width else _WHOLE
    if not 0 < count <= _WHOLE or number >= 1 << 40:
        raise Http404
    hashes = sealing.tile(level, number << merkle.TILE, count)
    if len(hashes) != count:
        raise Http404
    answer = HttpResponse(b"".join(hashes), content_type="application/octet-stream")
    answer["Cache-Control"] = "public, max-age=31536000, immutable"
    return answer


def _plain(text: str, kept: str) -> HttpResponse:
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    answer["Cache-Control"] = kept
    return answer
