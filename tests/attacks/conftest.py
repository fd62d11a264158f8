"""The city of the pages' tests, for who attacks it."""

from tests.web.conftest import actor, at_desk, base, browser, city, filed, ids, open_page

__all__ = ["actor", "at_desk", "base", "browser", "city", "filed", "ids", "open_page"]
