"""Outlines of text in a font that the package ships (see `render/fonts/`)."""

from __future__ import annotations

from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

_CORNER_PX = 1.0  # largest distance between an outline and its polygon


def glyph_outlines(
    text: str,
    *,
    font: str,
    size_px: int,
    stroke_px: int = 0,
    has_holes: bool = False,
    least_area: float = 0.0,
) -> list[NDArray[np.float64]]:
    """Return the outlines of a drawn text as polygons, in pixels: float64 [n, 2] each.

    Args:
        text: the text.
        font: file name of the font.
        size_px: font size.
        stroke_px: how much bolder than the font's strokes.
        has_holes: whether the edges of holes are returned too, to be filled by the even-odd rule.
        least_area: smaller outlines are left out; in pixels.
    """
    import cv2
    from PIL import Image, ImageDraw, ImageFont

    with as_file(files("tam_video.render") / "fonts" / font) as path:
        face = ImageFont.truetype(str(path), size_px)
    canvas = Image.new("L", ((len(text) + 1) * size_px, 2 * size_px))
    middle = (canvas.width // 2, canvas.height // 2)
    ImageDraw.Draw(canvas).text(
        middle, text, font=face, fill=255, anchor="mm", stroke_width=stroke_px
    )
    pixels = (np.asarray(canvas) > 127).astype(np.uint8)
    mode = cv2.RETR_CCOMP if has_holes else cv2.RETR_EXTERNAL
    contours, _ = cv2.findContours(pixels, mode, cv2.CHAIN_APPROX_NONE)
    return [
        cv2.approxPolyDP(contour, _CORNER_PX, closed=True)[:, 0].astype(np.float64)
        for contour in contours
        if cv2.contourArea(contour) >= least_area
    ]
