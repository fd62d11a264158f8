"""A city with its sample accounts, and people who are signed in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from gongzhi.kernel.context import Actor, actors_of, portal_actor
from gongzhi.kernel.install.citypack import load_accounts
from gongzhi.kernel.models import Agency, Place
from gongzhi.kernel.signin import hash_password, sign_in
from tests.web.pages import PASSWORD
from tests.web.serving import LOCALES, Watch, chromium, served
from tests.web.serving import sign_in as sign_in_at

_hash = hash_password(PASSWORD)


@pytest.fixture(scope="module")
def city(database: str) -> str:
    """This module's own database, with the city's sample accounts."""
    from gongzhi.web.api import token
    from gongzhi.web.portal import solved

    settings.ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
    load_accounts(settings.CITY, _hash)
    token._held.clear()
    solved._held.clear()
    return database


@pytest.fixture(scope="module")
def actor(city: str) -> Callable[[str], Actor]:
    """Return a function from a login to its actor."""
    held: dict[str, Actor] = {}

    def of(login: str) -> Actor:
        if login not in held:
            held[login] = actors_of(sign_in(login, PASSWORD, "fixture"))[0]
        return held[login]

    return of


@pytest.fixture(scope="module")
def at_desk(city: str) -> Callable[[str], Client]:
    """Return a function from a login to a client that is signed in; each login signs in once."""
    cookies: dict[str, str] = {}

    def of(login: str) -> Client:
        client = Client()
        if login not in cookies:
            assert client.post("/signin", {"login": login, "password": PASSWORD}).status_code == 302
            cookies[login] = client.cookies[settings.SESSION_COOKIE_NAME].value
        client.cookies[settings.SESSION_COOKIE_NAME] = cookies[login]
        return client

    return of


@pytest.fixture(scope="module")
def ids(city: str) -> Any:
    """Ids of agencies and places by code."""
    agencies = dict(Agency.objects.values_list("code", "pk"))
    places = dict(Place.objects.values_list("code", "pk"))
    return agencies, places


@pytest.fixture
def filed(city: str) -> Callable[..., Any]:
    """Return a function that files a request as the portal does."""
    from gongzhi.kernel.act import act

    def make(**form: Any) -> Any:
        given = {"detail": "健康西路的路灯三天不亮了，晚上学生放学经过很不安全。", **form}
        return act(portal_actor(), "request", "file", form=given)

    return make


@pytest.fixture(scope="module")
def base(city: str) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def browser(base: str) -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.fixture
def open_page(browser: Any, base: str) -> Iterator[Any]:
    """Return a function that opens a page of its own session; what it must not do fails the test at the end."""
    opened: list[tuple[Any, Watch]] = []

    def make(login: str = "", *, phone: bool = False, quiet: bool = True, language: str = "zh-hans") -> Any:
        size = {"width": 390, "height": 844} if phone else {"width": 1440, "height": 900}
        context = browser.new_context(viewport=size, has_touch=phone, is_mobile=phone, locale=LOCALES[language])
        page = context.new_page()
        page.set_default_timeout(15_000)
        watch = Watch(page, base)
        opened.append((context, watch if quiet else Watch(context.new_page(), base)))
        if login:
            sign_in_at(page, base, login, PASSWORD)
        return page

    yield make
    faults = [fault for _, watch in opened for fault in watch.faults]
    for context, _ in opened:
        context.close()
    assert faults == []
