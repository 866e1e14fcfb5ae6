"""Pictograms: silhouettes of everyday things, from the emoji font that the package ships.

Unlike coloured shapes they are things that every multimodal LLM has seen. The font is Noto Emoji
(SIL Open Font License 1.1; see `render/fonts/`).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

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
_CORNER_PX = 1.0  # largest distance between an outline and its polygon


@cache
def pictogram_outline(name: str) -> tuple[NDArray[np.float64], ...]:
    """Return the filled silhouette of a pictogram as polygons: float64 [n, 2] each.

    Its larger side is 1, and its bounding box is centred at (0, 0). No polygon is a hole.

    Raises:
        ValueError: there is no such pictogram.
    """
    import cv2
    from PIL import Image, ImageDraw, ImageFont

    if name not in PICTOGRAMS:
        raise ValueError(f"{name!r} is not a known pictogram")
    with as_file(files("tam_video.render") / "fonts" / _FONT) as path:
        font = ImageFont.truetype(str(path), _GLYPH_PX)
    canvas = Image.new("L", (2 * _GLYPH_PX, 2 * _GLYPH_PX))
    middle = (_GLYPH_PX, _GLYPH_PX)
    ImageDraw.Draw(canvas).text(middle, PICTOGRAMS[name], font=font, fill=255, anchor="mm")
    pixels = (np.asarray(canvas) > 127).astype(np.uint8)
    contours, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    parts = [
        cv2.approxPolyDP(contour, _CORNER_PX, closed=True)[:, 0].astype(np.float64)
        for contour in contours
        if cv2.contourArea(contour) >= _LEAST_AREA
    ]
    points = np.concatenate(parts)
    low, high = points.min(axis=0), points.max(axis=0)
    return tuple((part - (low + high) / 2) / (high - low).max() for part in parts)
