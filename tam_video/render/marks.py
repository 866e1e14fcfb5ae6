"""Draw heatmap contours and track boxes on the planes of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tam_video.render.canvas import yuv_of
from tam_video.render.theme import LIT, ON_LIT, WHITE, Color
from tam_video.types import ByteArray
from tam_video.video.planes import Planes

_FRACTION_BITS = 4  # cv2 takes coordinates in 16ths of a pixel


def line_px(width: int, height: int) -> int:
    """Return the line thickness in pixels for a picture with the given size."""
    return max(1, round(min(width, height) / 240))


def draw_contours(picture: Planes, heat: ByteArray, *, level: float, matrix: int) -> None:
    """Draw a white contour around the areas whose relevance is at least `level`.

    `heat` is uint8 [H, W] in 255ths, and `level` is in (0, 1].
    """
    import cv2

    hot = (heat >= round(255 * level)).astype(np.uint8)
    contours, _ = cv2.findContours(hot, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    lines = [np.asarray(each, dtype=np.float64)[:, 0] for each in contours]
    _draw_lines(picture, lines, color=WHITE, matrix=matrix)


def draw_box(picture: Planes, box: tuple[float, float, float, float], *, matrix: int) -> None:
    """Draw a box, (left, top, right, bottom) in pixels, in the accent colour with dark edges."""
    half = line_px(picture.width, picture.height) / 2 + 0.5
    left, top = max(box[0], 0) + half - 0.5, max(box[1], 0) + half - 0.5
    right = min(box[2], picture.width) - half - 0.5
    bottom = min(box[3], picture.height) - half - 0.5
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    _draw_lines(picture, [corners], color=LIT, matrix=matrix)


def _draw_lines(picture: Planes, lines: Sequence[np.ndarray], *, color: Color, matrix: int) -> None:
    """Draw closed lines: first wide and dark, then narrower in the given colour."""
    thickness = line_px(picture.width, picture.height)
    for ink, width in ((ON_LIT, thickness + 2), (color, thickness)):
        values = yuv_of(ink, matrix)
        small_width = max(1, round(width / picture.step))
        _polylines(picture.y, lines, values[0], width, scale=1.0)
        for plane, value in zip((picture.u, picture.v), values[1:], strict=True):
            _polylines(plane, lines, value, small_width, scale=1 / picture.step)


def _polylines(
    plane: ByteArray, lines: Sequence[np.ndarray], value: int, width: int, *, scale: float
) -> None:
    import cv2

    fine = 1 << _FRACTION_BITS
    points = [
        np.rint(((line + 0.5) * scale - 0.5) * fine).astype(np.int32)[:, None] for line in lines
    ]
    cv2.polylines(plane, points, True, (value,), width, cv2.LINE_AA, _FRACTION_BITS)
