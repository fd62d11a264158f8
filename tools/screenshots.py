"""Pictures of every page in every language at two widths: ``python tools/screenshots.py [--out FOLDER]``, with ``--only NAME ...`` and ``--languages en`` for a part.

Opens a city of its own with sample data in a temporary folder. Fails on an overflow, a sentence without its translation,
a console error, a request to another host, or anything that axe finds.
"""

import argparse
import io
import os
import sys
import tempfile
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("queue", "record-filed", "deadlines", "map", "portal", "portal-matter")
"""The pictures that the repository keeps, small; the others are made anew by who wants to see them."""
WIDTHS = {1440: 900, 390: 844}


def main() -> int:
    """Make the pictures; return 1 when a page has a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--languages", nargs="*", default=[])
    chosen = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from tests.web.serving import CHROMIUM

    if CHROMIUM is None:
        sys.stderr.write("没有找到 chromium。请先安装，例如 sudo apt install chromium。\n")
        return 2
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gongzhi-pictures-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        os.environ["GONGZHI_HOME"] = home
        from gongzhi.cli.database import database, django, hang_up, install_city

        with database():
            django()
            install_city(accounts=True)
            from gongzhi.intake import sample
            from gongzhi.kernel.worker import tick
            from tests.web.matters import made

            sample.load("small")
            numbers = made()
            tick()
            hang_up()
            faults = pictures(chosen.out, set(chosen.only), set(chosen.languages), numbers)
            hang_up()
    for fault in faults:
        sys.stderr.write(fault + "\n")
    return 1 if faults else 0


def pictures(out: Path, only: set[str], languages: set[str], numbers: dict[str, object]) -> list[str]:
    """Visit every page in every language at every width; return the faults."""
    from tests.web.pages import PAGES, PASSWORD, follow, visit
    from tests.web.serving import LOCALES, Watch, chromium, inspect, served, sign_in

    faults: list[str] = []
    with served() as base, chromium() as browser:
        spoken = {code: locale for code, locale in LOCALES.items() if not languages or code in languages}
        for (language, locale), (width, height) in product(spoken.items(), WIDTHS.items()):
            mark = "" if language == "zh-hans" else f"-{language}"
            for who in dict.fromkeys(page.who for page in PAGES):
                wanted = [page for page in PAGES if page.who == who and (not only or page.name in only)]
                if not wanted:
                    continue
                context = browser.new_context(
                    viewport={"width": width, "height": height}, locale=locale, timezone_id="Asia/Shanghai",
                    has_touch=width < 600, is_mobile=width < 600,
                )  # fmt: skip
                tab = context.new_page()
                watch = Watch(tab, base)
                if who:
                    sign_in(tab, base, who, PASSWORD)
                else:
                    follow(tab, base, numbers)
                for page in wanted:
                    status = visit(tab, base, page, numbers)
                    found = [] if status == page.status else [f"status {status}"]
                    found += inspect(tab) + watch.faults
                    watch.faults = []
                    faults += [f"{page.name}{mark} {width}: {fault}" for fault in found]
                    tab.screenshot(path=out / f"{page.name}{mark}-{width}.png", full_page=True)
                    if page.name in KEPT and width == max(WIDTHS) and not mark:
                        small(tab.screenshot(), out / f"{page.name}.png")
                context.close()
    return faults


def small(picture: bytes, path: Path) -> None:
    """Keep a picture with few colours: the pages have few, and the repository keeps it for ever."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as full:
        full.convert("RGB").quantize(192, method=Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
