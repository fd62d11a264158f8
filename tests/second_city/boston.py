"""A generated file of the shape of Boston's requests: nobody's request, every kind of row."""

import csv
import gzip
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

HEAD = [
    "case_enquiry_id",
    "open_dt",
    "target_dt",
    "closed_dt",
    "ontime",
    "case_status",
    "closure_reason",
    "case_title",
    "subject",
    "reason",
    "type",
    "queue",
    "department",
    "submittedphoto",
    "closedphoto",
    "location",
    "fire_district",
    "pwd_district",
    "city_council_district",
    "police_district",
    "neighborhood",
    "neighborhood_services_district",
    "ward",
    "precinct",
    "location_street_name",
    "location_zipcode",
    "latitude",
    "longitude",
    "source",
]
KINDS = {
    "Street Lights": ("Street Light Outages", "PWDx"),
    "Sanitation": ("Missed Trash/Recycling/Yard Waste/Bulk Item", "PWDx"),
    "Housing": ("Bed Bugs", "ISD"),
    "Trees": ("Tree Emergencies", "PARK"),
    "Signs & Signals": ("Sign Repair", "BTDT"),
    "Nothing Known": ("Something New", "No Q"),
}
PLACES = {
    "Dorchester": (42.2981, -71.0642), "Greater Mattapan": (42.2831, -71.0891), "Fenway / Kenmore / Audubon Circle / Longwood": (42.3431, -71.0951),
    "Boston": (42.3582, -71.0571), " ": (42.3594, -71.0587), "Allston / Brighton": (42.3521, -71.1459),
}  # fmt: skip


def rows(count: int) -> list[dict[str, str]]:
    """Return invented rows, the same each time: in time, late, without target, open, and one whose target lies before its opening."""
    dice, made = Random("requests of nobody"), []
    for number in range(count):
        opened = datetime(2011, 7, 1, 2, 18, 31) + timedelta(hours=7 * number, minutes=dice.randint(0, 59))
        reason = dice.choice(list(KINDS))
        kind, department = KINDS[reason]
        target = opened + timedelta(days=dice.choice((2, 4, 14))) if dice.random() < 0.8 else None
        closed = opened + timedelta(hours=dice.randint(1, 24 * 20)) if dice.random() < 0.9 else None
        if number == 5:
            target = opened - timedelta(days=3)
        late = target is not None and (closed is None or closed > target)
        neighborhood = dice.choice(list(PLACES))
        lat, lon = PLACES[neighborhood]
        made.append({
            **dict.fromkeys(HEAD, ""), "case_enquiry_id": f"1010{number:08}", "open_dt": f"{opened}", "target_dt": f"{target or ''}",
            "closed_dt": f"{closed or ''}", "ontime": "OVERDUE" if late else "ONTIME",
            "case_status": "Closed" if closed else "Open", "closure_reason": "Case Closed  done " if closed and number % 7 else "",
            "case_title": f"{kind}  {number}", "reason": reason, "type": kind, "department": department, "neighborhood": neighborhood,
            "location": f"{number} Elm St  Testville ", "latitude": str(lat), "longitude": str(lon),
            "source": dice.choice(("Constituent Call", "Self Service", "Twitter")),
        })  # fmt: skip
    return made


def write(path: Path, given: list[dict[str, str]]) -> Path:
    """Write the rows as a gzip file."""
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, HEAD)
        writer.writeheader()
        writer.writerows(given)
    return path
