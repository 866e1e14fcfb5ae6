"""Pictograms: silhouettes of everyday things, from the emoji font that the package ships.

Unlike coloured shapes they are things that every multimodal LLM has seen. The font is Noto Emoji
(SIL Open Font License 1.1; see `render/fonts/`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tam_video.datasets.glyphs import glyph_outlines

PICTOGRAMS: dict[str, str] = {
    "cat": "\N{CAT}",
    "car": "\N{AUTOMOBILE}",
    "tree": "\N{DECIDUOUS TREE}",
    "apple": "\N{RED APPLE}",
    "house": "\N{HOUSE BUILDING}",
    "fish": "\N{FISH}",
    "umbrella": "\N{UMBRELLA}",
    "key": "\N{KEY}",
    "airplane": "\N{AIRPLANE}",
    "butterfly": "\N{BUTTERFLY}",
    "dog": "\N{DOG}",
    "bird": "\N{BIRD}",
    "heart": "\N{HEAVY BLACK HEART}",
    "bicycle": "\N{BICYCLE}",
    "sailboat": "\N{SAILBOAT}",
    "elephant": "\N{ELEPHANT}",
}
_FONT = "NotoEmoji-Regular.woff2"
_GLYPH_PX = 256
_LEAST_AREA = 40  # pixels of _GLYPH_PX squared; smaller parts of a glyph are left out


@cache
def pictogram_outline(name: str) -> tuple[NDArray[np.float64], ...]:
    """Return the filled silhouette of a pictogram as polygons: float64 [n, 2] each.

    Its larger side is 1, and its bounding box is centred at (0, 0). No polygon is a hole.

    Raises:
        ValueError: there is no such pictogram.
    """
    if name not in PICTOGRAMS:
        raise ValueError(f"{name!r} is not a known pictogram")
    parts = glyph_outlines(PICTOGRAMS[name], font=_FONT, size_px=_GLYPH_PX, least_area=_LEAST_AREA)
    points = np.concatenate(parts)
    low, high = points.min(axis=0), points.max(axis=0)
    return tuple((part - (low + high) / 2) / (high - low).max() for part in parts)
