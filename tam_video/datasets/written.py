"""Written words: signs with a word cut out of a filled plate, which a model has to read.

The font is DejaVu Sans (see `render/fonts/`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tam_video.datasets.glyphs import glyph_outlines

SIGNS: tuple[str, ...] = ("EXIT sign", "TAXI sign", "STOP sign", "OPEN sign", "SALE sign")
_FONT = "DejaVuSans.ttf"
_FONT_PX = 200
_STROKE_PX = 8  # letters are drawn this much bolder
_MARGIN_PX = 30  # from the letters to the edge of the plate


@cache
def sign_outline(name: str) -> tuple[NDArray[np.float64], ...]:
    """Return a sign as polygons, to be filled by the even-odd rule: float64 [n, 2] each.

    Its width is 1, and it is centred at (0, 0). The first polygon is the plate; the others are the
    edges of its letters.

    Raises:
        ValueError: there is no such sign.
    """
    if name not in SIGNS:
        raise ValueError(f"{name!r} is not a known sign")
    letters = glyph_outlines(
        name.split()[0], font=_FONT, size_px=_FONT_PX, stroke_px=_STROKE_PX, has_holes=True
    )
    points = np.concatenate(letters)
    low, high = points.min(axis=0) - _MARGIN_PX, points.max(axis=0) + _MARGIN_PX
    plate = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    width = high[0] - low[0]
    return tuple((part - (low + high) / 2) / width for part in (plate, *letters))
