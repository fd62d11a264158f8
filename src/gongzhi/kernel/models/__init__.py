"""The kernel's tables. The application's role reads them under row rights and writes none of them."""

from gongzhi.kernel.models.beside import Attachment, DeadlineKept, Link, Notice, NoticeRead, Task
from gongzhi.kernel.models.contacts import Contact
from gongzhi.kernel.models.gates import Rate, SignInTry
from gongzhi.kernel.models.ledger import Disclosure, Entry, OutboxPosition, Party, RecordKey
from gongzhi.kernel.models.people import Account, Agency, Post
from gongzhi.kernel.models.places import Place, PlaceName
from gongzhi.kernel.models.register import Register, RegisterWords

__all__ = [
    "Account",
    "Agency",
    "Attachment",
    "Contact",
    "DeadlineKept",
    "Disclosure",
    "Entry",
    "Link",
    "Notice",
    "NoticeRead",
    "OutboxPosition",
    "Party",
    "Place",
    "PlaceName",
    "Post",
    "Rate",
    "RecordKey",
    "Register",
    "RegisterWords",
    "SignInTry",
    "Task",
]
