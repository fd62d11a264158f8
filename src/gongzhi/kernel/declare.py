"""What a service is declared with, in one place: ``from gongzhi.kernel import declare as d``."""

from gongzhi.kernel.fields import Code, Day, Flag, Line, Measure, Money, Text, Whole
from gongzhi.kernel.forms import Form, Person, asks
from gongzhi.kernel.procedure import (
    ANY,
    CITY,
    NEW,
    SAME,
    Action,
    Clock,
    Effect,
    Gives,
    Guard,
    Procedure,
    Stage,
    statute,
    workdays,
)
from gongzhi.kernel.purposes import Purpose
from gongzhi.kernel.roles import ADMIN, CENTRE, CLOCK, GRID, HANDLER, LOADER, MANAGER, OPERATOR, PORTAL
from gongzhi.kernel.service import Record, Service, years

__all__ = [
    "ADMIN",
    "ANY",
    "CENTRE",
    "CITY",
    "CLOCK",
    "GRID",
    "HANDLER",
    "LOADER",
    "MANAGER",
    "NEW",
    "OPERATOR",
    "PORTAL",
    "SAME",
    "Action",
    "Clock",
    "Code",
    "Day",
    "Effect",
    "Flag",
    "Form",
    "Gives",
    "Guard",
    "Line",
    "Measure",
    "Money",
    "Person",
    "Procedure",
    "Purpose",
    "Record",
    "Service",
    "Stage",
    "Text",
    "Whole",
    "asks",
    "statute",
    "workdays",
    "years",
]
