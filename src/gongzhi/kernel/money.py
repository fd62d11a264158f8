"""Amounts of money: whole numbers of the smallest unit (fen, cent) of the city's currency, read and written by CLDR's rules."""

import unicodedata
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol
from django.utils.translation import get_language, to_locale

from gongzhi.kernel.city import LANGUAGES
from gongzhi.kernel.models.places import city


def decimals() -> int:
    """Return how many decimals the currency has."""
    return int(get_currency_precision(city().currency))


def plain(amount: int) -> str:
    """Return 1280.00, as a form shows it and takes it back."""
    return f"{Decimal(amount).scaleb(-decimals()):.{decimals()}f}"


def shown(amount: int) -> str:
    """Return 1,280.00 with the currency's sign, as the language of the moment writes it."""
    said = format_currency(Decimal(amount).scaleb(-decimals()), city().currency, locale=_locale())
    return str(said).replace("\u00a0", " ")


def bare(text: str) -> str:
    """Return a typed amount without sign, code, spaces and separators of thousands, in ordinary digits; it may be no number."""
    plain_text = unicodedata.normalize("NFKC", text).strip()
    for sign in _signs(city().currency):
        plain_text = plain_text.removeprefix(sign).removesuffix(sign).strip()
    return plain_text.replace(",", "")


@lru_cache(maxsize=8)
def _signs(currency: str) -> tuple[str, ...]:
    """Return what people write beside an amount, the longest first: the code, and the sign in each of our languages."""
    symbols = {get_currency_symbol(currency, to_locale(language)) for language in LANGUAGES}
    signs = {currency, currency.lower(), *symbols}
    signs |= {symbol[-1] for symbol in symbols if unicodedata.category(symbol[-1]) == "Sc"}  # the bare sign of US$ is $
    return tuple(sorted(signs, key=len, reverse=True))


def _locale() -> Locale:
    return Locale.parse(to_locale(get_language() or city().language))
