"""No service goes without its tests: what each inherits, what is written by hand, and what is excused, with a reason."""

import inspect
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gongzhi.kernel.service import Service, services
from tests.services import pinned
from tests.services.conftest import exemptions

HERE = Path(__file__).parent
TESTS = HERE.parent

CASES: dict[str, tuple[str, ...]] = {
    "list": ("test_the_list_shows_what_one_sees_and_nothing_else", "test_each_filter_narrows_it", "test_each_column_orders_it",
             "test_every_count_opens", "test_a_view_is_kept_and_shared_with_the_agency"),
    "bulk": ("test_many_are_done_at_once_each_with_its_own_answer",),
    "page": ("test_the_page_shows_it_and_offers_what_may_be_done", "test_ties_and_parts_stand_on_both_pages"),
    "action allowed": ("test_everyone_whom_the_table_names_may_do_it", "test_the_action_is_done_from_its_page"),
    "action forbidden": ("test_nobody_else_may_do_it_from_any_stage", "test_an_action_that_is_not_possible_has_no_form",
                         "test_from_every_other_stage_it_is_a_conflict_that_says_who_was_first"),
    "procedure": ("test_whatever_is_tried_in_whatever_order_the_table_decides",),
    "form": ("test_what_is_wrong_is_said_beside_the_field_and_nothing_happens",),
    "API": ("test_every_action_has_a_typed_operation", "test_the_action_is_done_by_a_program"),
    "export": ("test_the_export_is_the_list_under_the_same_rights", "test_no_cell_is_a_formula_and_none_names_a_person"),
    "import": ("test_what_was_exported_is_imported_with_the_same_facts",
               "test_its_empty_table_is_filled_in_and_what_is_wrong_comes_back_with_reasons"),
    "rights": ("test_the_database_shows_it_to_those_of_its_area_and_its_agency",
               "test_a_record_that_is_not_mine_looks_like_one_that_is_not_there"),
    "search": ("test_words_and_numbers_find_it_for_those_who_see_it",),
    "history": ("test_every_stage_is_reached_and_the_log_still_holds",),
    "map": ("test_it_stands_on_the_map_of_those_who_see_it",),
    "help": ("test_help_is_made_of_the_declaration",),
    "SQL count": ("test_what_it_costs_was_agreed", "test_a_long_history_costs_no_more"),
}  # fmt: skip


def inherited() -> dict[str, Any]:
    """Return every test of this folder that is run for each service, by name."""
    modules = [import_module(f"tests.services.{path.stem}") for path in sorted(HERE.glob("test_*.py"))]
    return {
        name: test
        for module in modules
        for name, test in vars(module).items()
        if name.startswith("test_") and "service" in inspect.signature(test).parameters
    }


def test_every_case_is_inherited_by_every_service() -> None:
    """A test that asks for ``service`` is given each one; that no case lost its test is what is left to hold."""
    missing = {case: [name for name in names if name not in inherited()] for case, names in CASES.items()}
    assert not any(missing.values()), missing


def test_the_numbers_of_every_service_are_agreed(service: Service) -> None:
    assert pinned.held(service), f"{service.code} has no agreed numbers of SQL statements: make sql-counts"
    ours = {code for code, one in services().items() if pinned.file_of(one) == pinned._HERE}
    agreed = set(json.loads(pinned._HERE.read_text(encoding="utf-8")))
    assert agreed == ours, "a service that is gone keeps its numbers"


def by_hand() -> dict[str, str]:
    """Return the texts of the tests that somebody wrote, which a table cannot stand for: it cannot notice that it is wrong."""
    return {
        str(path): path.read_text(encoding="utf-8")
        for path in TESTS.rglob("*.py")
        if HERE not in path.parents and "long" not in path.parts
    }


def test_every_service_was_lived_through_by_hand(service: Service) -> None:
    """Each action of its own stands in a scenario that tells what should come of it."""
    if not service.model.__module__.startswith("gongzhi."):
        pytest.skip("a desk that lies elsewhere has its scenarios there")
    texts = [text for text in by_hand().values() if f'"{service.code}"' in text]
    own = [action.code for action in service.procedure if not action.anywhere]
    untold = [code for code in own if not any(re.search(rf'"{code}"', text) for text in texts)]
    excused = [
        held.get("of", "") for held in exemptions() if (held["service"], held["case"]) == (service.code, "by hand")
    ]
    assert sorted(untold) == sorted(excused), "no scenario tells of these actions, or an excuse is stale"


def test_every_exemption_names_what_there_is_and_gives_a_reason() -> None:
    """One that is no longer needed fails by itself: the test is run, and has to fail (``conftest.py``)."""
    for held in exemptions():
        assert held["service"] in services(), held
        assert held["case"] in {*inherited(), "by hand"}, held
        assert len(held["reason"]) > 20, held
        of = held.get("of", "")
        procedure = services()[held["service"]].procedure
        assert of in {"", *procedure.by_code, *(stage.code for stage in procedure.stages)}, held
