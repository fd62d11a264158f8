"""Messages of which somebody has decided what they are: what a model learns from, and is measured by."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from gongzhi.intake.learning.texts import reading
from gongzhi.intake.tables import TableError, read
from gongzhi.tongue import listed

NEEDED = ("label", "title", "detail")
FEWEST = 2
"""Groups of messages that a class must have: one to learn from and one to be measured by."""


class UnfitFile(Exception):
    """The file holds no messages to learn from; the sentence says why and what would help."""


@dataclass(frozen=True, slots=True)
class Example:
    """A message with its class. Messages of one ``group`` are nearly the same and stay on one side of every split."""

    label: str
    title: str
    detail: str
    group: str
    agency: str = ""
    """Code of the agency that owed the answer; "" where the source does not say."""


@dataclass(frozen=True)
class Examples:
    """Messages, where they are from (a file's name), and the SHA-256 of what was read."""

    all: tuple[Example, ...]
    source: str
    digest: str
    passed_over: int = 0
    """Rows without a class, or without any text."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, in the order of their names."""
        return tuple(sorted({one.label for one in self.all}))


def from_file(path: Path) -> Examples:
    """Return the messages of a table (CSV or XLSX, packed or not). Raises UnfitFile."""
    try:
        sheet = read(path)
    except TableError as error:
        raise UnfitFile(str(error)) from error
    column = {name.casefold(): at for at, name in enumerate(sheet.headers)}
    missing = [name for name in NEEDED if name not in column]
    if missing:
        raise UnfitFile(
            _(
                "“{name}”里缺少列 {missing}。要有 label（类别）、title（标题）、detail（内容，可以空着）三列，group 可有可无。"
            ).format(name=path.name, missing=listed(missing))
        )
    made, over = [], 0
    for _number, cells in sheet.rows:
        said = [str(cells[column[name]] or "").strip() if column[name] < len(cells) else "" for name in NEEDED]
        label, title, detail = said
        if not label or not (title or detail):
            over += 1
            continue
        at = column.get("group")
        group = str(cells[at]).strip() if at is not None and at < len(cells) and cells[at] not in ("", None) else ""
        made.append(Example(label, title, detail, group or alike(title, detail)))
    if not made:
        raise UnfitFile(_("“{name}”里没有一行既有类别又有文字。").format(name=path.name))
    return of(made, path.name, over)


def of(examples: Iterable[Example], source: str, passed_over: int = 0) -> Examples:
    """Return the messages with the digest of their content."""
    kept = tuple(examples)
    digest = hashlib.sha256()
    for one in kept:
        text = f"{one.label}\x1f{one.title}\x1f{one.detail}\x1f{one.group}\x1e"
        digest.update(text.encode("utf-8", "surrogatepass"))
    return Examples(kept, source, digest.hexdigest(), passed_over)


def alike(title: str, detail: str) -> str:
    """Return a group for a message that came without one: messages that read the same share it."""
    return hashlib.sha256(reading(title, detail)[1].encode("utf-8", "surrogatepass")).hexdigest()[:16]


def check(examples: Examples) -> None:
    """Hold that there is something to learn. Raises UnfitFile."""
    groups = Counter(label for label, _group in {(one.label, one.group) for one in examples.all})
    if len(groups) < FEWEST:
        raise UnfitFile(
            _("“{source}”里只有一个类别“{label}”，没有什么可以学的。至少要有两个类别。").format(
                source=examples.source, label=next(iter(groups))
            )
        )
    few = sorted(label for label, count in groups.items() if count < FEWEST)
    if few:
        raise UnfitFile(
            ngettext(
                "“{source}”里类别{labels}只有一条留言（几乎相同的算一条）。请补充留言，或去掉这一类。",
                "“{source}”里类别{labels}各只有一条留言（几乎相同的算一条）。请补充留言，或去掉这些类。",
                len(few),
            ).format(source=examples.source, labels=listed(f"“{label}”" for label in few[:6]))
        )
