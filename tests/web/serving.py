"""The pages on a real socket, and a browser that notices what a person would not forgive."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connections

import gongzhi.web

AXE = Path(gongzhi.web.__file__).parent / "static" / "vendor" / "axe" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-gpu-compositing",
]
BROWSES = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.skipif(not AXE.exists(), reason="page assets are not set up (make setup)"),
]
"""What marks a module whose tests need a browser."""
# Chromium tells of every answer that is not 2xx; the pages answer 404, 409, 422 and, where a provider is down, 502 on purpose.
_EXPECTED = (
    "Failed to load resource: the server responded with a status of 4",
    "Failed to load resource: the server responded with a status of 502",
    "GPU stall due to ReadPixels",
)


@contextmanager
def served() -> Iterator[str]:
    """Serve the application in threads of this process; gives the address without a slash at the end."""
    from django.conf import settings
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    from gongzhi.web.wsgi import application

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
    settings.ROOT_URLCONF = "tests.web.broken"
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet, allow_reuse_address=True)
    server.daemon_threads = True
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser, without a window."""
    from playwright.sync_api import sync_playwright

    # Playwright keeps a loop in this thread, which Django takes for asynchronous code; the thread itself is not.
    with mock.patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="1"), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        try:
            yield browser
        finally:
            # With a loop in the thread Django keeps connections of its own for it; the next module has another database.
            for connection in connections.all(initialized_only=True):
                connection.close()
                del connections[connection.alias]
            browser.close()


class Watch:
    """Everything on a page that must not happen: console errors, policy violations, requests to another host."""

    def __init__(self, page: Any, base: str) -> None:
        self.faults: list[str] = []
        self._base = base
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        wanted = any(text in message.text for text in _EXPECTED) or message.location["url"].endswith("/broken")
        if message.type in ("error", "warning") and not wanted:
            self.faults.append(f"console {message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self._base, "data:", "blob:")):
            self.faults.append(f"outside request: {request.url}")


def inspect(page: Any, *, axe: bool = True) -> list[str]:
    """Return what the width, the language and, unless it has looked at the same page already, axe say against the page."""
    faults = overflow(page) + untranslated(page)
    if not axe:
        return faults
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})"
        ".then(r => r.violations.map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.target.join(' ') + ' ' + "
        "(n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? '')).join(' | ')))"
    )
    return faults + [f"axe {text}" for text in found]


def overflow(page: Any) -> list[str]:
    """Return by how much the page is wider than its window."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"overflow: {wide} px"] if wide > 0 else []


def sign_in(page: Any, base: str, login: str, password: str) -> None:
    """Sign in through the page."""
    page.goto(f"{base}/signin")
    page.fill("#login", login)
    page.fill("#password", password)
    page.click("form[action='/signin'] button")
    page.wait_for_selector("body.console")


LOCALES = {"zh-hans": "zh-CN", "en": "en-GB"}
"""What a browser asks for, by the language of the pages."""

_UNTRANSLATED = """() => {
  const han = /[\\u3400-\\u9fff]+/g;
  const own = document.documentElement.lang;
  const marked = (node) => { const held = node.closest("[lang]"); return held && held.lang !== own; };
  const data = [...document.querySelectorAll("[lang]")].filter((e) => e.lang !== own).map((e) => e.textContent).join(" ");
  const found = [];
  const walk = document.createTreeWalker(document, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode;
    const holder = node.parentElement;
    if (!node.data.match(han) || holder.closest("script, style, textarea, title") || marked(holder)) continue;
    found.push(node.data.trim());
  }
  for (const name of ["aria-label", "title", "placeholder", "alt"]) {
    for (const holder of document.querySelectorAll(`[${name}]`)) {
      const left = (holder.getAttribute(name).match(han) ?? []).filter((run) => !data.includes(run));
      if (left.length && !marked(holder)) found.push(`${name}: ${holder.getAttribute(name)}`);
    }
  }
  const left = (document.title.match(han) ?? []).filter((run) => !data.includes(run));
  if (left.length) found.push(`title: ${document.title}`);
  return [...new Set(found)];
}"""


def untranslated(page: Any) -> list[str]:
    """Return the Chinese on a page in another language that is not marked as the city's own words by its ``lang``."""
    if page.evaluate("document.documentElement.lang").startswith("zh"):
        return []
    return [f"not translated: {text[:60]}" for text in page.evaluate(_UNTRANSLATED)]
