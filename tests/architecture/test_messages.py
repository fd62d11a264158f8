"""What people read is marked for translation, and the catalogues are whole."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "gongzhi"
HAN = re.compile("[\u3400-\u9fff]")
MARKS = {
    "_",
    "later",
    "told",
    "gettext",
    "gettext_noop",
    "gettext_lazy",
    "ngettext",
    "ngettext_lazy",
    "pgettext",
    "sense",
    "statute",
}
EXEMPT = {
    "intake/real.py": "column names of the folder of real messages",
    "intake/mapping.py": "how dates are written in Chinese tables",
    "intake/jobs.py": "the name by which a quarantine file is found again",
    "intake/importing.py": "the same name",
    "kernel/city.py": "said in both languages: no city, so no language yet",
    "kernel/contradictions.py": "the letters of a record's number",
    "kernel/directory.py": "the letters of a login",
    "kernel/fields.py": "how a yes, a no and a day may be typed",
    "kernel/helper.py": "a text to read the dictionary with",
    "kernel/install/citypack.py": "said in both languages, and the register's own row",
    "kernel/procedure.py": "a citation as the register keeps it",
    "kernel/search.py": "the letters of a record's number",
    "tongue.py": "a language's own name",
}


def bare(path: Path) -> list[str]:
    """Return the Chinese strings of a module that no mark stands before."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said.add(node.value)
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            said.update(node.args if name in MARKS else ())
    return [
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.value[:40]}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node not in said
        and HAN.search(node.value)
    ]


def test_every_sentence_in_code_is_marked() -> None:
    found = {
        str(path.relative_to(SOURCE)): lines
        for path in sorted(SOURCE.rglob("*.py"))
        if "migrations" not in path.parts and "cities" not in path.relative_to(SOURCE).parts and (lines := bare(path))
    }
    assert {name: lines for name, lines in found.items() if name not in EXEMPT} == {}
    assert [name for name in EXEMPT if name not in found] == []  # an exemption that nothing needs any more


def test_the_catalogues_are_whole() -> None:
    sys.path.insert(0, str(ROOT))
    from tools import messages

    for path in messages.catalogues():
        assert messages.faults(path) == [], (
            f"run: python tools/messages.py collect, then write what is missing in {path}"
        )


def test_a_chinese_sentence_has_chinese_punctuation() -> None:
    sys.path.insert(0, str(ROOT))
    from babel.messages.pofile import read_po

    written = ("经度,纬度", "用户:密码@主机:5432")  # what is typed just so
    path = SOURCE / "locale" / "en" / "LC_MESSAGES" / "django.po"
    with path.open(encoding="utf-8") as file:
        said = [message.id if isinstance(message.id, str) else message.id[0] for message in read_po(file) if message.id]
    wrong = re.compile("[\u3400-\u9fff）”」}][,;:?!]|[,;:?!] ?[\u3400-\u9fff]")
    found = []
    for text in said:
        plain = text
        for form in written:
            plain = plain.replace(form, "")
        plain = re.sub(r"\{lon\S*\},\{lat\S*\}|\{[^{}]*\}", "}", plain)  # {count:,} is no comma
        if HAN.search(plain) and wrong.search(plain):
            found.append(text)
    assert found == []


@pytest.mark.parametrize("text", ["{a}在{b}", "没有 {name:,}", "%(count)s 件"])
def test_placeholders_are_told_apart(text: str) -> None:
    from tools import messages

    assert messages._fields(text)
    assert messages._fields(text) != messages._fields("no field")
