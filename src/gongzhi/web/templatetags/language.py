"""In which language a page speaks, and which words on it are the city's own."""

import re

from django import template
from django.conf import settings
from django.utils.html import escape, format_html, json_script
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from gongzhi.web.language import SCRIPT_WORDS

register = template.Library()

_HAN = re.compile(r"[\u3400-\u9fff]")
# From the first Chinese character to the last of a run, with the punctuation and figures between them.
_RUN = re.compile(r"[\u3400-\u9fff](?:[\u3000-\u303f\u3400-\u9fff\uff00-\uffef0-9 ·—-]*[\u3400-\u9fff\uff09])?")


def _tag(code: str) -> str:
    """zh-hans becomes zh-Hans, as BCP 47 writes it."""
    name, _, script = code.partition("-")
    return f"{name}-{script.title()}" if script else name


@register.simple_tag
def page_language() -> str:
    """Return the language of the page for ``<html lang>``."""
    return _tag(get_language() or settings.LANGUAGE_CODE)


@register.simple_tag
def other_languages() -> list[tuple[str, str]]:
    """Return the languages that the page could speak instead: code and own name."""
    here = get_language()
    return [(code, word) for code, word in settings.LANGUAGES if code != here]


@register.simple_tag
def page_words() -> SafeString:
    """Return what the scripts may have to say, as data in the page's language (``gz/words`` reads it)."""
    return json_script(SCRIPT_WORDS, "words")


def _foreign(text: str) -> bool:
    return bool(_HAN.search(text)) and not (get_language() or "zh").startswith("zh")


@register.filter
def data(text: object) -> object:
    """Mark Chinese words of the city's own (names, titles, what people wrote) on a page in another language.

    A screen reader then speaks them in Chinese, and the tests know that they are not a missing translation. Whoever
    marks a sentence of the platform with it hides a fault; only the labels of fields are marked without distinction, for
    they may be the city's own, and those of the platform are held by the test of the catalogues.
    """
    if text is None or not _foreign(str(text)):
        return "" if text is None else text
    escaped = text if isinstance(text, SafeString) else escape(str(text))
    made = _RUN.sub(lambda run: f'<span lang="zh-Hans">{run.group()}</span>', escaped)
    return mark_safe(made)  # noqa: S308 (escaped before the spans were set around it)


@register.filter
def naming(sentence: object, name: str) -> object:
    """Mark one name of the city's own within a sentence of the platform, whose other words must be translated."""
    return mark_safe(escape(sentence).replace(escape(name), str(data(name)))) if name else sentence  # noqa: S308 (escaped)


@register.filter
def data_lang(text: object) -> str:
    """Return the ``lang`` attribute for an element that holds nothing but the city's own words; for ``option``."""
    return format_html(' lang="{}"', "zh-Hans") if _foreign(str(text)) else ""
