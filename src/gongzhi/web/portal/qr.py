"""QR codes as inline SVG without style attributes, so that the page's security policy holds."""

import segno
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from gongzhi.tongue import later


def qr(text: str, label: str = later("查询二维码")) -> SafeString:
    """Return the text, named by a label for who does not see it, as an SVG element of class ``qr`` (error correction M, white border of four modules)."""
    made = segno.make(text, error="m", micro=False)
    svg = made.svg_inline(scale=5, border=4, dark="#111", light="#fff", svgclass="qr", lineclass=None, omitsize=True)
    return mark_safe(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1))  # noqa: S308  (made here)
