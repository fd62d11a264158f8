"""Every test of this folder that asks for a service is run for each service there is; exemptions say why not, and end."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import Service, services
from tests.kernel.people import people
from tests.services.lab import Lab

EXEMPTIONS = Path(__file__).with_name("exemptions.toml")


def exemptions() -> list[dict[str, str]]:
    """Return the exemptions: ``service``, ``case`` (a test's name), ``of`` (an action or stage, "" for all), ``reason``."""
    return list(tomllib.loads(EXEMPTIONS.read_text(encoding="utf-8")).get("exempt", ()))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the test every service, and with it every action or stage where it asks for one."""
    if "service" not in metafunc.fixturenames:
        return
    asked = [name for name in ("action", "stage") if name in metafunc.fixturenames]
    rows = []
    for service in services().values():
        if asked == ["action"]:
            given: list[Any] = list(service.procedure)
        elif asked == ["stage"]:
            given = [stage.code for stage in service.procedure.stages]
        else:
            given = [None]
        for one in given:
            code = one.code if isinstance(one, Action) else one or ""
            values = (service,) if one is None else (service, one)
            rows.append(pytest.param(*values, id="-".join(filter(None, (service.code, code))),
                                     marks=_marks(metafunc.function.__name__, service, code)))  # fmt: skip
    metafunc.parametrize(["service", *asked], rows)


def _marks(case: str, service: Service, of: str) -> list[Any]:
    """An exempt case is run all the same and must fail: one that passes is stale."""
    return [
        pytest.mark.xfail(reason=held["reason"], strict=True)
        for held in exemptions()
        if (held["service"], held["case"]) == (service.code, case) and held.get("of", "") in ("", of)
    ]


@pytest.fixture(autouse=True)
def mails_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a mail server, which nothing here speaks to: without one, pages ask for no address."""
    monkeypatch.setenv("GONGZHI_SMTP", "smtp+plain://127.0.0.1:9")
    monkeypatch.setenv("GONGZHI_MAIL_FROM", "notice@gongzhi.example.org")
    monkeypatch.setenv("GONGZHI_SITE", "https://gongzhi.example.org")


@pytest.fixture(scope="module")
def labs(database: str) -> dict[str, Lab]:
    """The laboratories of this module's database, by service."""
    from gongzhi.web.api import token

    token._held.clear()
    return {}


@pytest.fixture(scope="module")
def crew(database: str) -> Any:
    """The posts that every laboratory starts from."""
    return people()


@pytest.fixture
def lab(service: Service, labs: dict[str, Lab], crew: Any) -> Lab:
    """The laboratory of the service."""
    return labs.get(service.code) or Lab(service, crew, labs)
