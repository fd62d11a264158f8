"""Purposes 用途: why somebody looks at a person's fields, and the rule that allows it.

A look names a purpose of the service's list; words of one's own may be added, never instead. The database refuses a purpose
that the list does not have (``kernel.ask``) and keeps the rule with the look, as it was cited that day. The city's pack adds
purposes, or says another rule for a declared one, in ``purposes.toml``.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.functional import lazy
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _

from gongzhi.kernel.pack import PackError, pack_text
from gongzhi.kernel.procedure import CITY, Source
from gongzhi.kernel.roles import CENTRE, CLOCK, GRID, HANDLER, MANAGER, OPERATOR, ROLES, Role
from gongzhi.tongue import LANGUAGES, later

LOOKING: tuple[Role, ...] = (OPERATOR, HANDLER, CENTRE, MANAGER, GRID)
"""The roles that may look at a person's fields at all."""
TOLD = "told"
"""Purpose of the one look that no person takes: the clock opens an e-mail address to tell its owner."""
TOLD_TITLE = later("有结果了，按本人要求发邮件告知")
TOLD_BASIS = gettext_noop("本人要求")
SOUGHT = "sought"
"""What a look was at where no field was shown: a record was found by a person's telephone number (``kernel.seeking``)."""
MOST_SEALED = 366


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose of a service's list.

    ``basis`` is the article that allows the look, or the city's own rule. ``by`` names the roles that may choose it; empty:
    every role that looks. ``sealed`` is for an inquiry of which the person is told only when it is over: at most so many
    days after the look; who looks names the day. Such a purpose must say ``by``.
    """

    code: str
    title: str
    basis: Source
    by: tuple[Role, ...] = ()
    sealed: int = 0

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that may choose it."""
        return self.by or LOOKING


@cache
def of_city(service: str) -> tuple[Purpose, ...]:
    """Return the purposes that the city's pack says for a service. Raises PackError."""
    rows = _said().get(service, [])
    if not isinstance(rows, list):
        rows = [rows]
    return tuple(_purpose(service, row) for row in rows)


@cache
def _said() -> Mapping[str, Any]:
    text = pack_text(settings.CITY, "purposes.toml")
    try:
        return {} if text is None else tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackError(_("purposes.toml 不是有效的 TOML：{error}").format(error=error)) from error


def _purpose(service: str, row: Mapping[str, Any]) -> Purpose:
    try:
        titles = {code: str(row[code]) for code, _title in LANGUAGES if code in row}
        basis = Source(str(row["law"]), int(row["article"])) if "law" in row or "article" in row else CITY
        by, sealed = tuple(ROLES[name] for name in row.get("by", ())), int(row.get("sealed", 0))
        code, title = str(row["code"]), str(row["title"])
        if not (code.isidentifier() and len(code) <= 40 and code != TOLD and title and set(by) <= set(LOOKING)):
            raise ValueError(code)
        if not 0 <= sealed <= MOST_SEALED or (sealed and not by):
            raise ValueError(f"sealed = {sealed}")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PackError(
            _("purposes.toml 中“{service}”的用途有误：{error}").format(service=service, error=error)
        ) from error
    return Purpose(code, _in_language(title, titles), basis, by, sealed)


def _in_language(title: str, titles: Mapping[str, str]) -> str:
    """Return the title, read in the reader's language where the pack has it."""
    return lazy(lambda: titles.get(get_language() or "", title), str)() if titles else title


def purpose_rows(services: Mapping[str, Any]) -> str:
    """Return every purpose as rows of VALUES for ``kernel.ask``: service, code, roles, days of the seal, basis."""
    rows = []
    for service in services.values():
        rows.append(_row(service.code, TOLD, (CLOCK,), 0, TOLD_BASIS))
        rows += [_row(service.code, p.code, p.roles, p.sealed, str(p.basis)) for p in service.reasons.values()]
    return ",\n             ".join(rows)


def _row(service: str, code: str, roles: tuple[Role, ...], sealed: int, basis: str) -> str:
    texts = [
        "'" + text.replace("'", "''") + "'" for text in (service, code, " ".join(role.code for role in roles), basis)
    ]
    return f"({texts[0]}, {texts[1]}, {texts[2]}, {sealed}, {texts[3]})"
