"""The kernel's tables. The application's role reads them under row rights and writes none of them."""

from gongzhi.kernel.models.beside import Attachment, DeadlineKept, Link, Notice, NoticeRead, Task
from gongzhi.kernel.models.contacts import Contact
from gongzhi.kernel.models.gates import Rate, SignInTry
from gongzhi.kernel.models.ledger import Disclosure, Entry, OutboxPosition, Party, RecordKey
from gongzhi.kernel.models.people import (
    Account,
    Agency,
    CareMember,
    Lending,
    OutsideIdentity,
    PasswordLink,
    Post,
    RecoveryCode,
    SecondFactor,
)
from gongzhi.kernel.models.places import Place, PlaceName
from gongzhi.kernel.models.register import Register, RegisterWords
from gongzhi.kernel.models.seals import Checkpoint, Cosignature, Leaf, Subtree

__all__ = [
    "Account",
    "Agency",
    "Attachment",
    "CareMember",
    "Checkpoint",
    "Contact",
    "Cosignature",
    "DeadlineKept",
    "Disclosure",
    "Entry",
    "Leaf",
    "Lending",
    "Link",
    "Notice",
    "NoticeRead",
    "OutboxPosition",
    "OutsideIdentity",
    "Party",
    "PasswordLink",
    "Place",
    "PlaceName",
    "Post",
    "Rate",
    "RecordKey",
    "RecoveryCode",
    "Register",
    "RegisterWords",
    "SecondFactor",
    "SignInTry",
    "Subtree",
    "Task",
]
