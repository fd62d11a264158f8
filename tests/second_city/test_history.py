"""Another city's published requests enter by a mapping file alone, with their times, targets and what was late."""

import gzip
import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gongzhi.intake import comparing, importing, mapping
from gongzhi.intake.crew import Crew
from gongzhi.intake.importing import ImportFault, Result
from gongzhi.kernel.act import Told, act
from gongzhi.kernel.context import acting
from gongzhi.kernel.models import DeadlineKept, Entry, Register
from tests.second_city.boston import rows, write

COUNT = 60
DATA = os.environ.get("GONGZHI_DATA", "")


@pytest.fixture(scope="module")
def table() -> mapping.Table:
    return mapping.load("boston-311")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("boston") / "requests.csv.gz", rows(COUNT))


@pytest.fixture(scope="module")
def loaded(people: Crew, file: Path, table: mapping.Table) -> Result:
    return importing.run(file, "request", table, actor=people.operator, folder=file.parent)


def held(people: Crew, number: int) -> Register:
    with acting(people.loader):
        return Register.objects.select_related("agency", "place").get(title=f"{rows(COUNT)[number]['type']} {number}")


def test_every_row_comes_in_once_and_again_changes_nothing(
    people: Crew, loaded: Result, file: Path, table: mapping.Table
) -> None:
    assert (loaded.read, loaded.loaded, loaded.quarantined) == (COUNT, COUNT, 0), loaded.reasons
    with acting(people.loader):
        before = (Register.objects.count(), Entry.objects.count())
    again = importing.run(file, "request", table, actor=people.operator, folder=file.parent)
    assert (again.loaded, again.unchanged, again.quarantined) == (0, COUNT, 0)
    with acting(people.loader):
        assert (Register.objects.count(), Entry.objects.count()) == before


def test_a_record_has_the_files_times_in_the_files_zone_and_its_agency_and_end(people: Crew, loaded: Result) -> None:
    given = next(row for row in rows(COUNT) if row["closed_dt"] and row["target_dt"] and row["department"] == "ISD")
    record = held(people, int(given["case_enquiry_id"][4:]))
    zone = ZoneInfo("America/New_York")
    assert record.opened_at == datetime.fromisoformat(given["open_dt"]).replace(tzinfo=zone)
    assert record.closed_at == datetime.fromisoformat(given["closed_dt"]).replace(tzinfo=zone)
    assert (record.stage_code, record.agency.code) == ("closed", "inspection")
    assert record.number.startswith("REQ2011")
    with acting(people.loader):
        kept = DeadlineKept.objects.get(record=record.pk, stage="working")
        assert kept.due_at == datetime.fromisoformat(given["target_dt"]).replace(tzinfo=zone)
        entries = Entry.objects.filter(record=record.pk)
        assert {entry.loader_id for entry in entries} == {people.loader.post}
        assert record.facts.category == "building-housing"


def test_places_are_found_by_name_by_point_or_not_at_all(people: Crew, loaded: Result) -> None:
    for number, row in enumerate(rows(COUNT)):
        expected = {
            "Greater Mattapan": "Mattapan",
            "Boston": "Downtown",
            " ": "Testville",
            "Allston / Brighton": "Brighton",
        }
        record = held(people, number)
        name = expected.get(row["neighborhood"], row["neighborhood"].partition(" /")[0])
        assert record.place.name == name
        assert (record.lon is None) == (row["neighborhood"] == " "), "the point of nowhere is no point"


def test_what_was_late_agrees_with_the_files_own_flags(loaded: Result, file: Path, table: mapping.Table) -> None:
    made = comparing.compare(file, table)
    assert (made.read, made.found, made.judged) == (COUNT, COUNT, COUNT)
    assert made.agreeing == COUNT, made.differing
    assert made.targets_agree == COUNT
    assert made.by_name + made.by_point + made.whole_city == COUNT
    assert made.late["late", "late"] > 5
    assert made.late["in time", "in time"] > 5


def test_a_flag_that_contradicts_is_counted_and_named(
    people: Crew, loaded: Result, table: mapping.Table, tmp_path: Path
) -> None:
    given = rows(COUNT)
    given[3]["ontime"] = "ONTIME" if given[3]["ontime"] == "OVERDUE" else "OVERDUE"
    given[4]["ontime"] = ""
    made = comparing.compare(write(tmp_path / "changed.csv.gz", given), table)
    assert made.judged == COUNT - 1
    assert made.agreeing == COUNT - 2
    assert sorted(number for numbers in made.differing.values() for number in numbers) == [5, 6]


def test_bad_rows_are_told_and_a_broken_file_changes_nothing(
    people: Crew, table: mapping.Table, tmp_path: Path
) -> None:
    given = [{**row, "case_enquiry_id": f"9{row['case_enquiry_id']}"} for row in rows(6)]
    given[0]["open_dt"] = "2011-02-30 00:00:00"
    given[1]["latitude"] = "0.0"
    given[2]["closed_dt"] = "2011-06-01 00:00:00"
    given[3]["open_dt"] = given[3]["closed_dt"] = "2093-01-01 00:00:00"
    given[4]["longitude"] = "west"
    done = importing.run(
        write(tmp_path / "bad.csv.gz", given), "request", table, actor=people.operator, folder=tmp_path
    )
    assert (done.read, done.loaded, done.quarantined) == (6, 1, 5)
    assert [number for number, _ in done.reasons] == [2, 3, 4, 5, 6]
    assert done.quarantine is not None
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes((tmp_path / "bad.csv.gz").read_bytes()[:80])
    with pytest.raises(ImportFault):
        importing.run(broken, "request", table, actor=people.operator, folder=tmp_path)
    broken.write_bytes(gzip.compress(b""))
    with pytest.raises(ImportFault):
        importing.run(broken, "request", table, actor=people.operator, folder=tmp_path)


def test_only_a_loader_tells_a_deadline(people: Crew) -> None:
    with pytest.raises(ValueError, match="loader"):
        act(people.operator, "request", "file", form={"detail": "x"}, told=Told(None))


@pytest.mark.long
@pytest.mark.skipif(not DATA, reason="GONGZHI_DATA names no folder of real data")
@pytest.mark.timeout(7200)
def test_the_whole_half_year_agrees(people: Crew, table: mapping.Table, tmp_path: Path) -> None:
    path = Path(DATA) / "boston-311-2011h2.csv.gz"
    done = importing.run(path, "request", table, actor=people.operator, folder=tmp_path)
    assert (done.read, done.quarantined) == (58_251, 0), done.reasons[:5]
    made = comparing.compare(path, table)
    print(made.as_dict())
    assert made.agreeing == made.judged == 58_251 - 158, "158 rows have no flag"
    assert made.targets_agree == made.found == 58_251
    assert made.placed > 0.94
