"""What a check of the ledger found: where, and in a sentence what it means."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from gongzhi.tongue import later

SENTENCES: Mapping[str, str] = {
    "body": later("这一笔的内容同它的摘要不符：内容或摘要被改过"),
    "changed": later("这一笔在封存以后被改过：同封存时的样子不一样"),
    "deleted": later("封存过的一笔不见了"),
    "gap": later("这条记录里缺了前一笔"),
    "added": later("在已经封存的时间里多出一笔：它是后来塞进去的"),
    "position": later("封条的位置断了：有一个位置被删除或重复"),
    "subtree": later("封条的中间值被改过"),
    "root": later("检查点的根同账本算出来的不一样：历史被换过"),
    "signature": later("检查点没有已知密钥的签名，或签名是假的"),
    "short": later("账本比检查点短：末尾被截掉了"),
    "forked": later("外部保存的检查点同账本不一样：历史被重写并重新签名，或恢复了旧备份以后又有新账"),
    "cut": later("外部保存的检查点比账本长：末尾被截掉，或恢复了旧备份"),
    "head": later("记录的最后一笔同登记行不符：账本末尾被截掉，或登记行被改过"),
    "state": later("登记内容同账本重算的结果不一样：有人绕过账本改了它"),
}


@dataclass(frozen=True)
class Finding:
    """One fault: its kind (a key of ``SENTENCES``), the record's number and line, the position in the tree, details."""

    kind: str
    number: str = ""
    seq: int | None = None
    pos: int | None = None
    detail: str = ""

    @property
    def text(self) -> str:
        """The sentence for people, in their language."""
        return str(SENTENCES[self.kind])

    def told(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "text": self.text}


@dataclass
class Report:
    """Entries that were read, how many of them are sealed, and what was found; the first ``MOST`` faults in full."""

    entries: int = 0
    sealed: int = 0
    findings: list[Finding] = field(default_factory=list)
    faults: int = 0

    MOST = 200

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.faults

    def add(self, found: Finding) -> None:
        """Count a fault, and keep it while there are not too many."""
        self.faults += 1
        if len(self.findings) < self.MOST:
            self.findings.append(found)

    def join(self, other: "Report") -> None:
        """Take in what the check of another part found."""
        self.entries += other.entries
        self.findings += other.findings[: self.MOST - len(self.findings)]
        self.faults += other.faults

    def told(self) -> dict[str, Any]:
        """Return what ``gongzhi ledger verify --json`` prints."""
        return {
            "entries": self.entries, "sealed": self.sealed, "ok": self.ok, "faults": self.faults,
            "first_bad": self.findings[0].told() if self.findings else None,
            "findings": [found.told() for found in self.findings],
        }  # fmt: skip


class Numbers:
    """The numbers of records by their ids, asked one by one: faults are few."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        """Ask through this connection."""
        self._connection = connection

    def __call__(self, record: str) -> str:
        """Return the record's number, or its id where the record is gone."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT number FROM register WHERE id = %s", [UUID(record)])
            row = cursor.fetchone()
        return str(row[0]) if row else record
