"""Written words: signs with a word cut out of a filled plate, which a model has to read.

The font is DejaVu Sans (see `render/fonts/`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

SIGNS: tuple[str, ...] = ("EXIT sign", "TAXI sign", "STOP sign", "OPEN sign", "SALE sign")
_FONT = "DejaVuSans.ttf"
_FONT_PX = 200
_STROKE_PX = 8  # letters are drawn this much bolder
_MARGIN_PX = 30  # from the letters to the edge of the plate
_CORNER_PX = 1.0  # largest distance between an outline and its polygon


@cache
def sign_outline(name: str) -> tuple[NDArray[np.float64], ...]:
    """Return a sign as polygons, to be filled by the even-odd rule: float64 [n, 2] each.

    Its width is 1, and it is centred at (0, 0). The first polygon is the plate; the others are the
    edges of its letters.

    Raises:
        ValueError: there is no such sign.
    """
    import cv2
    from PIL import Image, ImageDraw, ImageFont

    if name not in SIGNS:
        raise ValueError(f"{name!r} is not a known sign")
    with as_file(files("tam_video.render") / "fonts" / _FONT) as path:
        font = ImageFont.truetype(str(path), _FONT_PX)
    canvas = Image.new("L", (6 * _FONT_PX, 2 * _FONT_PX))
    draw = ImageDraw.Draw(canvas)
    middle = (3 * _FONT_PX, _FONT_PX)
    text = name.split()[0]
    draw.text(middle, text, font=font, fill=255, anchor="mm", stroke_width=_STROKE_PX)
    pixels = (np.asarray(canvas) > 127).astype(np.uint8)
    contours, _ = cv2.findContours(pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    letters = [
        cv2.approxPolyDP(contour, _CORNER_PX, closed=True)[:, 0].astype(np.float64)
        for contour in contours
    ]
    points = np.concatenate(letters)
    low, high = points.min(axis=0) - _MARGIN_PX, points.max(axis=0) + _MARGIN_PX
    plate = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    width = high[0] - low[0]
    return tuple((part - (low + high) / 2) / width for part in (plate, *letters))
