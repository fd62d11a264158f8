"""E-mail addresses in the form that is kept: of the people who work here, and of those who want to be told."""

import re
import unicodedata

from gongzhi.tongue import later

NO_MAIL = later("请填写完整的邮箱地址，例如 name@example.org。")
_MAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_LONGEST = 254
"""Octets (RFC 5321, 4.5.3.1.3, less the angle brackets)."""


def mail(text: str) -> str:
    """Return the address as it is kept, the domain in its ASCII form; "" where the text is none.

    Signs of a Chinese keyboard (＠, 。 and full-width letters) are read as the ordinary ones.
    """
    local, at, domain = unicodedata.normalize("NFKC", text).strip().rpartition("@")
    try:
        made = f"{local}{at}{domain.strip('.').encode('idna').decode().lower()}" if at else ""
    except UnicodeError:
        return ""
    wrong = (
        not _MAIL.fullmatch(made)
        or len(made) > _LONGEST
        or ".." in made
        or local.startswith(".")
        or local.endswith(".")
    )
    return "" if wrong else made
