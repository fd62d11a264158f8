"""The words that a person reads, in the person's language.

The source language is Chinese: a sentence stands in the code as it is read, marked ``_("…")``, and the catalogues in
``locale/`` hold the others. Where Django runs, ``_`` is its ``gettext``. ``told`` is the same for the command line, the
launcher and the city packs, which speak before Django has its settings. ``later`` marks what a declaration says.
"""

import gettext as catalogues
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import cast

from django.apps import apps
from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import get_language, gettext, gettext_lazy, override, pgettext_lazy

SOURCE = "zh-hans"
LANGUAGES = (("zh-hans", "中文"), ("en", "English"))
FOLDER = Path(__file__).parent / "locale"


def later(text: str) -> str:
    """Mark a sentence of a declaration: it is worded anew each time it is read, in the reader's language."""
    return cast("str", gettext_lazy(text))


def sense(context: str, text: str) -> str:
    """Mark a sentence of a declaration as ``later`` does, whose Chinese serves in several senses; ``context`` says which."""
    return cast("str", pgettext_lazy(context, text))


def filled(text: str, *parts: object, **named: object) -> str:
    """Put parts into a sentence of a declaration; like the sentence it is worded anew each time it is read."""
    return cast("str", format_lazy(text, *parts, **named))


def told(text: str) -> str:
    """Return the sentence in the reader's language, with or without Django's settings."""
    return gettext(text) if apps.ready else _catalogue(of_terminal() or SOURCE).gettext(text)


def listed(items: Iterable[object]) -> str:
    """Return the items as a list in a sentence."""
    return told("、").join(map(str, items))


def clauses(items: Iterable[object]) -> str:
    """Return the parts as one sentence, side by side."""
    return told("；").join(map(str, items))


def sentences(items: Iterable[object]) -> str:
    """Return whole sentences as one text; Chinese puts nothing between them."""
    return ("" if language().startswith("zh") else " ").join(map(str, items))


def city_wording() -> override:
    """Return a context in which everything is worded in the city's own language: what is stored, what others receive."""
    return override(settings.LANGUAGE_CODE)


def of_terminal() -> str:
    """Return the language that whoever types commands asks for; empty where the environment does not say."""
    asked = os.environ.get("GONGZHI_LANGUAGE") or next(
        (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), ""
    )
    return next((code for code, _ in LANGUAGES if asked.casefold()[:2] == code[:2]), "")


def language() -> str:
    """Return the code of the language in use."""
    return (get_language() if apps.ready else of_terminal()) or SOURCE


@cache
def _catalogue(code: str) -> catalogues.NullTranslations:
    return catalogues.translation("django", FOLDER, languages=[code], fallback=True)
