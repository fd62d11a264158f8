"""Why an act did not happen, as a form shows it: the same for every form that acts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from gongzhi.kernel.act import DiskFull, Invalid, Refused, Unreachable
from gongzhi.kernel.vault import NoRoom, Rejected
from gongzhi.tongue import sentences

REFUSALS = (Refused, Rejected, NoRoom)
"""What ``act()`` raises that a form can show."""


@dataclass(frozen=True)
class Answer:
    """What stands beside the form: faults by field, one for the whole of it, one for its files.

    ``key`` is the form's key from now on: the old one where the same act may be tried again, a fresh one where it ended.
    """

    errors: Mapping[str, list[str]] = field(default_factory=dict)
    alert: str = ""
    files_error: str = ""
    status: int = 200
    key: str = ""


def answer(refusal: Exception, key: str) -> Answer:
    """Return how a form with this key answers to what was raised, one of REFUSALS."""
    match refusal:
        case Invalid():
            alert = sentences(text for name in ("", "version", "key") for text in refusal.errors.get(name, []))
            return Answer(refusal.errors, alert, sentences(refusal.errors.get("files", [])), 422, key)
        case Rejected() | NoRoom():
            return Answer(files_error=str(refusal), status=422, key=key)
        case Unreachable():
            return Answer(alert=str(refusal), status=503, key=key)
        case DiskFull():
            return Answer(alert=str(refusal), status=507, key=key)
    return Answer(alert=str(refusal), status=409, key=str(uuid4()))
