"""The usual form of what people write: equal things are found although they were written in different ways."""

import re
import unicodedata

_INVISIBLE = re.compile(r"[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")


def normal(purpose: str, text: str) -> str:
    """Return the usual form of a text: no spaces, full-width characters as ordinary ones, one case; phones by digits.

    >>> normal("phone", "+86 138-0517-1234"), normal("phone", "+86 517 8366 1234")
    ('13805171234', '051783661234')
    """
    plain = text if text.isascii() and text.isalnum() else _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return _phone(plain) if purpose == "phone" else plain.casefold()


def _phone(plain: str) -> str:
    if plain.isascii() and plain.isdigit() and not plain.startswith(("00", "86")):
        return plain  # as most are written
    digits = re.sub(r"[-().·‐-―−]", "", plain).casefold()
    digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in digits)
    country = re.match(r"(?:\+|00)86", digits)
    if country:
        digits = digits[country.end() :]
        mobile_or_service = re.match(r"1[3-9]\d{9}$|[48]00\d{7}$|0", digits)
        if not mobile_or_service and re.match(r"\d{9,}", digits):  # abroad an area code is written without its 0
            digits = "0" + digits
    elif re.match(r"861[3-9]\d{9}$", digits):
        digits = digits[2:]
    return digits
