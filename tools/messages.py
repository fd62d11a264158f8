"""The catalogues of what people read: collect the sentences, say what lacks a translation, compile.

    python tools/messages.py collect    write every marked sentence into the catalogues, drop what is no longer said
    python tools/messages.py check      list what is untranslated; exit code 1
    python tools/messages.py compile    make the .mo files that programs read (the set-up does it)

Catalogues are sorted and carry neither line numbers nor dates, so that two people's changes meet without conflict.
"""

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "gongzhi"
LOCALE = SOURCE / "locale"
SOURCE_MO = LOCALE / "zh_Hans" / "LC_MESSAGES" / "django.mo"
KEYWORDS = {
    "_": None, "later": None, "told": None, "gettext": None, "gettext_noop": None, "gettext_lazy": None, "ngettext": (1, 2),
    "ngettext_lazy": (1, 2), "pgettext": ((1, "c"), 2), "sense": ((1, "c"), 2), "npgettext": ((1, "c"), 2, 3),
    "statute": (1,),
}  # fmt: skip
FIELDS = re.compile(r"\{(\w*)[^{}]*\}|%\((\w+)\)[sd]")

CALLS = re.compile(r"""\b(?:_|n?p?gettext)\((?:\s*u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\s*,?)+(?:\s*\w+)?\s*\)""")
"""The calls in what Django makes of a template; the rest of that text is no Python."""


def catalogues() -> list[Path]:
    """Return the catalogue of every language but the source's."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def said() -> Iterator[tuple[str | tuple[str, str], str | None]]:
    """Yield every marked sentence of code and templates: the text (with its plural), and its context."""
    for path in sorted(SOURCE.rglob("*.py")):
        if "migrations" not in path.parts:
            yield from _found(path.read_bytes())
    from django.conf import settings
    from django.utils.translation.template import templatize

    if not settings.configured:
        settings.configure()
    for path in sorted(SOURCE.rglob("*.html")):
        calls = CALLS.findall(templatize(path.read_text(encoding="utf-8"), origin=str(path)))
        yield from _found("\n".join(calls).encode())


def _found(text: bytes) -> Iterator[tuple[str | tuple[str, str], str | None]]:
    for _, message, _, context in extract("python", io.BytesIO(text), KEYWORDS, options={"encoding": "utf-8"}):
        if isinstance(message, str) or (len(message) < 3 and None not in message):
            yield message, context


def read(path: Path) -> Catalog:
    """Return the catalogue in a file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name, abort_invalid=True)


def collect(path: Path) -> Catalog:
    """Write the sentences of today into a catalogue, with the translations it has; return it."""
    held = read(path)
    made = Catalog(locale=held.locale, fuzzy=False, header_comment=held.header_comment)
    for text, context in said():
        made.add(text, context=context)
    for message in made:
        known = held.get(message.id, context=message.context) if message.id else None
        if known is not None:
            message.string = known.string
    _write(path, made)
    return made


def _write(path: Path, catalogue: Catalog) -> None:
    out = io.BytesIO()
    write_po(out, catalogue, width=0, no_location=True, omit_header=True, sort_output=True)
    head = (
        f'msgid ""\nmsgstr ""\n"Language: {catalogue.locale}\\n"\n"MIME-Version: 1.0\\n"\n'
        '"Content-Type: text/plain; charset=UTF-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    path.write_text(head + re.sub(r"(?m)^#, .*\n", "", out.getvalue().decode()).lstrip(), encoding="utf-8")


def faults(path: Path) -> list[str]:
    """Return what is wrong with a catalogue: sentences without a translation, no longer said, with other placeholders."""
    held = read(path)
    now = {(text[0] if isinstance(text, tuple) else text, context) for text, context in said()}
    have = {(_first(message.id), message.context): message for message in held if message.id}
    found = [f"not in the catalogue: {text}" for text, context in sorted(now - have.keys(), key=str) if text]
    found += [f"no longer said: {text}" for text, _ in sorted(have.keys() - now, key=str)]
    for (text, _), message in have.items():
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        if not all(strings):
            found.append(f"without a translation: {text}")
        elif any(
            _fields(string) - _fields(text) or (len(strings) == 1 and _fields(string) != _fields(text))
            for string in strings
        ):
            found.append(f"other placeholders: {text}")
    return found


def _first(text: Message | str | tuple[str, ...] | list[str]) -> str:
    return text if isinstance(text, str) else text[0]  # type: ignore[index]


def _fields(text: str) -> set[str]:
    return {one or other for one, other in FIELDS.findall(text.replace("{{", "").replace("}}", ""))}


def compile_all() -> None:
    """Make the .mo file beside every catalogue, and that of the source language."""
    for path in catalogues():
        out = io.BytesIO()
        write_mo(out, read(path))
        _put(path.with_suffix(".mo"), out.getvalue())
    _put(SOURCE_MO, _as_said())


def _as_said() -> bytes:
    """Return a catalogue in which every sentence stands for itself.

    Django answers from the city's language where a catalogue lacks a sentence. Without this one, whoever reads Chinese in
    a city that speaks English would read English.
    """
    made = Catalog(locale="zh_Hans", fuzzy=False)
    for text, context in said():
        made.add(text, text if isinstance(text, str) else text[:1], context=context)
    out = io.BytesIO()
    write_mo(out, made)
    return out.getvalue()


def _put(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(".mo.new")
    fresh.write_bytes(content)
    fresh.replace(target)


def main() -> int:
    """Do what the argument says."""
    match sys.argv[1:]:
        case ["collect"]:
            for path in catalogues():
                collect(path)
        case ["compile"]:
            compile_all()
        case ["check"]:
            pass
        case _:
            sys.stderr.write(f"{__doc__}\n")
            return 2
    if sys.argv[1] == "compile":
        return 0
    found = [fault for path in catalogues() for fault in faults(path)]
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    return 1 if found and sys.argv[1] == "check" else 0


if __name__ == "__main__":
    sys.exit(main())
