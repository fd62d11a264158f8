"""What the machine proposed when a person decided: a fact of the entry alone, so that the share that people take is counted.

The page (or the API) that shows a proposal hands it out under a seal of this installation, and the form brings it back. So
an entry holds what was really proposed for this very record, beside what the person chose, and neither can be made up.
"""

import hmac
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from gongzhi.intake.routing import Proposal
from gongzhi.kernel.fields import Fact
from gongzhi.kernel.pack import load_pack

_SHAPE = re.compile(r"([!-~]{1,40}) ([!-~]{1,40}) ([!-~]{1,40}) (\d{1,4}) ([0-9a-z]{1,16}) ([0-9a-f]{16})")
LONGEST = 170


@dataclass(frozen=True)
class Sealed:
    """A proposal as an entry holds it: for which record, which kind and agency, how sure (thousandths), by which model."""

    number: str
    category: str
    agency: str
    sure: int
    model: str

    @classmethod
    def read(cls, text: str, *, kept: bool = False) -> "Sealed | None":
        """Return what the text says, None where it is no proposal or its seal is not ours.

        A ``kept`` one was checked when it entered the log; the installation's secret may have been renewed since.
        """
        found = _SHAPE.fullmatch(text)
        if found is None:
            return None
        made = cls(found[1], found[2], found[3], int(found[4]), found[5])
        return made if kept or hmac.compare_digest(made._seal, found[6]) else None

    def __str__(self) -> str:
        """Return the text that forms and entries hold."""
        return f"{self._plain} {self._seal}"

    @property
    def _plain(self) -> str:
        return f"{self.number} {self.category} {self.agency} {self.sure} {self.model}"

    @cached_property
    def _seal(self) -> str:
        return salted_hmac("gongzhi.proposed", self._plain, algorithm="sha256").hexdigest()[:16]


def sealed(number: str, proposal: Proposal) -> str:
    """Return the proposal for a record of this number, as a form brings it back."""
    return str(
        Sealed(
            number,
            proposal.category,
            proposal.agency_code,
            round(1000 * proposal.confidence),
            proposal.model or "words",
        )
    )


class ProposedField(forms.CharField):
    """A sealed proposal; people do not type it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.HiddenInput, max_length=LONGEST, **options)

    def clean(self, value: Any) -> str:
        """Return it. Raises ValidationError for one that was not made here."""
        text = str(super().clean(value))
        if text and Sealed.read(text) is None:
            raise ValidationError(_("系统建议只能原样送回，请刷新页面后再办理。"))
        return text


class Proposed(Fact, models.CharField):  # type: ignore[type-arg]
    """A sealed proposal beside a person's choice. It holds codes and figures, no word that anybody typed."""

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        super().__init__(verbose_name, **{"max_length": LONGEST, "blank": True, **options})

    def formfield(self, **options: Any) -> Any:
        """Return a hidden field."""
        return ProposedField(label=self.verbose_name, required=options.get("required", False))

    def display(self, value: Any) -> str:
        """Return kind, agency and how sure, in words, whoever made the seal: the secret may have been renewed since."""
        found = _SHAPE.fullmatch(str(value or ""))
        if found is None:
            return ""
        pack = load_pack(settings.CITY)
        category = pack.categories[found[2]].title if found[2] in pack.categories else found[2]
        agency = next((one.title for one in pack.agencies if one.code == found[3]), found[3])
        return _("{category}，{agency}（{percent}%）").format(
            category=category, agency=agency, percent=round(int(found[4]) / 10)
        )
