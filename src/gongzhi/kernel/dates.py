"""How days and moments are written, in the reader's language and the city's time."""

from datetime import date, datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _


def moment(at: datetime | None) -> str:
    """2026年11月23日 14:05; 23 November 2026, 14:05."""
    return date_format(timezone.localtime(at), _("Y年n月j日 H:i")) if at else ""


def brief(at: datetime | None) -> str:
    """11月23日 14:05; the day with its year, without the hour, where it is another year."""
    if at is None:
        return ""
    local = timezone.localtime(at)
    return date_format(local, _("n月j日 H:i")) if local.year == timezone.localdate().year else day(local.date())


def day(on: date | datetime | None) -> str:
    """2026年11月23日; 23 November 2026."""
    if on is None:
        return ""
    return date_format(timezone.localtime(on) if isinstance(on, datetime) else on, _("Y年n月j日"))


def hour(at: datetime) -> str:
    """14:05."""
    return date_format(timezone.localtime(at), "H:i")
