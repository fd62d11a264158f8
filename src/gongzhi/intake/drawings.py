"""Drawn pictures for the sample: nobody's photograph, and still something to open."""

import io
from random import Random

from PIL import Image, ImageDraw

_SIZE = (640, 420)


def scene(dice: Random, *, mended: bool = False) -> bytes:
    """Return a PNG of a street with a lamp: dark and with a hole before it was mended, lit and smooth after."""
    sky = (246, 222, 170) if mended else (58 + dice.randint(0, 20), 66, 92)
    picture = Image.new("RGB", _SIZE, sky)
    pen = ImageDraw.Draw(picture)
    for left in range(0, _SIZE[0], 80):
        top = 90 + dice.randint(0, 70)
        pen.rectangle((left, top, left + 70, 260), fill=(120, 124, 132) if mended else (44, 48, 60))
        for window in range(top + 12, 240, 28):
            lit = dice.random() < 0.4
            pen.rectangle((left + 14, window, left + 26, window + 12), fill=(250, 230, 150) if lit else (70, 76, 90))
            pen.rectangle((left + 42, window, left + 54, window + 12), fill=(70, 76, 90))
    pen.rectangle((0, 260, *_SIZE), fill=(150, 150, 148) if mended else (72, 72, 76))
    for left in range(20, _SIZE[0], 110):
        pen.rectangle((left, 336, left + 56, 344), fill=(235, 235, 230))
    post = dice.randint(420, 560)
    pen.rectangle((post, 110, post + 8, 300), fill=(40, 60, 62))
    pen.rectangle((post - 46, 106, post + 8, 114), fill=(40, 60, 62))
    pen.ellipse((post - 56, 108, post - 26, 124), fill=(255, 240, 170) if mended else (52, 52, 52))
    if not mended:
        left = dice.randint(60, 320)
        pen.ellipse((left, 300, left + 96, 330), fill=(26, 26, 28), outline=(110, 100, 90), width=4)
    target = io.BytesIO()
    picture.save(target, "PNG")
    return target.getvalue()
