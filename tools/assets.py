"""Keep what the pages use of the packages that npm fetched: ``python tools/assets.py FOLDER_WITH_NODE_MODULES TARGET``.

Source maps stay out, so their mentions are cut. Style sheets keep the woff2 form of each font alone: every browser that
the pages support reads it. The target is made whole beside its place and then put there.
"""

import gzip
import re
import shutil
import sys
from pathlib import Path

FILES = {
    "htmx.org/dist/htmx.min.js": "htmx/htmx.min.js",
    "@tabler/core/dist/css/tabler.min.css": "tabler/tabler.min.css",
    "@tabler/core/dist/js/tabler.min.js": "tabler/tabler.min.js",
    "@tabler/icons-webfont/dist/tabler-icons.min.css": "icons/tabler-icons.min.css",
    "@tabler/icons-webfont/dist/fonts/tabler-icons.woff2": "icons/fonts/tabler-icons.woff2",
    "@alpinejs/csp/dist/cdn.min.js": "alpine/alpine-csp.min.js",
    "echarts/dist/echarts.min.js": "echarts/echarts.min.js",
    "maplibre-gl/dist/maplibre-gl.mjs": "maplibre/maplibre-gl.mjs",
    "maplibre-gl/dist/maplibre-gl-shared.mjs": "maplibre/maplibre-gl-shared.mjs",
    "maplibre-gl/dist/maplibre-gl-worker.mjs": "maplibre/maplibre-gl-worker.mjs",
    "maplibre-gl/dist/maplibre-gl.css": "maplibre/maplibre-gl.css",
    "@fontsource-variable/noto-sans-sc/index.css": "noto-sans-sc/index.css",
    "axe-core/axe.min.js": "axe/axe.min.js",
}
LICENCES = (
    "htmx.org", "@tabler/core", "@tabler/icons-webfont", "echarts", "maplibre-gl", "@fontsource-variable/noto-sans-sc",
    "axe-core",
)  # fmt: skip
_MAP = re.compile(rb"\n?(?://|/\*)# sourceMappingURL=[^\n*]*(?:\*/)?")
_FACES = re.compile(r"url\(([^)]+)\)")
_PACKED = (".js", ".mjs", ".css")


def main() -> int:
    """Copy, cut, pack."""
    source, target = Path(sys.argv[1]) / "node_modules", Path(sys.argv[2])
    fresh = target.with_name(".vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name, kept in FILES.items():
        copy(source / name, fresh / kept)
    fonts = (fresh / "noto-sans-sc" / "index.css").read_text(encoding="utf-8")
    for face in _FACES.findall(fonts):
        name = face.strip("'\"")
        copy(source / "@fontsource-variable/noto-sans-sc" / name, fresh / "noto-sans-sc" / name)
    icons = fresh / "icons" / "tabler-icons.min.css"
    icons.write_text(only_woff2(icons.read_text(encoding="utf-8")), encoding="utf-8")
    for package in LICENCES:
        for licence in sorted((source / package).glob("LICEN[CS]E*"))[:1]:
            copy(licence, fresh / "licences" / f"{package.replace('/', '-').lstrip('@')}.txt")
    for path in sorted(fresh.rglob("*")):
        if path.suffix in _PACKED:
            (path.with_name(path.name + ".gz")).write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(target)
    return 0


def copy(source: Path, target: Path) -> None:
    """Copy a file, without mention of its source map."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    if source.suffix in _PACKED:
        content = _MAP.sub(b"", content)
    target.write_bytes(content)


def only_woff2(css: str) -> str:
    """Return the style sheet with only the woff2 sources of its font faces."""

    def face(found: re.Match[str]) -> str:
        sources = [part for part in found[1].split(",") if "woff2" in part]
        plain = re.sub(r"\?[^\"')]*", "", sources[0])
        return f"src:{plain}"

    return re.sub(r"src:([^;}]*woff2[^;}]*)", face, css)


if __name__ == "__main__":
    sys.exit(main())
