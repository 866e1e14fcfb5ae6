"""Compute the positions and sizes of the pictures in a layout, in even pixels."""

from __future__ import annotations

from dataclasses import dataclass

from tam_video.render.canvas import Rect, even
from tam_video.types import VideoInfo

MAX_WIDTH_PX, MAX_HEIGHT_PX = 1920, 1080
MIN_PANE_WIDTH_PX = 160
GAP_PX = 8


@dataclass(frozen=True, slots=True)
class Tiling:
    """A grid of tiles with equal size, filled row by row.

    Attributes:
        columns: tiles in a row.
        width: width of a tile's picture in pixels.
        height: height of a tile's picture in pixels.
    """

    columns: int
    width: int
    height: int

    def rect(self, index: int, *, above_px: int, below_px: int) -> Rect:
        """Return the rectangle of the picture in a tile."""
        row, column = divmod(index, self.columns)
        return Rect(
            column * (self.width + GAP_PX),
            row * (above_px + self.height + below_px + GAP_PX) + above_px,
            self.width,
            self.height,
        )

    def size(self, count: int, *, above_px: int, below_px: int) -> tuple[int, int]:
        """Return the (width, height) in pixels that the first `count` tiles fill."""
        columns, rows = min(count, self.columns), -(-count // self.columns)
        cell = above_px + self.height + below_px
        return columns * (self.width + GAP_PX) - GAP_PX, rows * (cell + GAP_PX) - GAP_PX


def display_aspect(info: VideoInfo) -> float:
    """Return the display aspect ratio (width / height) of a video."""
    return info.width * float(info.sample_aspect_ratio) / info.height


def best_tiling(
    count: int,
    info: VideoInfo,
    *,
    extra_px: int,
    room_px: tuple[int, int],
    columns: int | None = None,
    min_width_px: int = MIN_PANE_WIDTH_PX // 2,
) -> Tiling:
    """Return the tiling that makes the pictures largest.

    A picture is not larger than its source, unless the source is very small, and not narrower than
    `min_width_px`, even if the tiles then do not fit into `room_px`, (width, height). `extra_px` is
    the height above and below each picture together; `columns` fixes the number of columns.
    """
    aspect = display_aspect(info)
    own_width = max(aspect * info.height, 2 * MIN_PANE_WIDTH_PX * min(1.0, aspect))
    tilings = []
    for number in range(1, count + 1) if columns is None else (columns,):
        rows = -(-count // number)
        by_width = (room_px[0] - (number - 1) * GAP_PX) / number
        by_height = ((room_px[1] - (rows - 1) * GAP_PX) / rows - extra_px) * aspect
        width = max(min_width_px, min(by_width, by_height, own_width))
        tilings.append(Tiling(number, 2 * int(width / 2), even(width / aspect)))
    # Larger pictures first, then the shape nearest to a screen's.
    return max(tilings, key=lambda each: (each.width, -_misfit(each, count)))


def _misfit(tiling: Tiling, count: int) -> float:
    """Return how far a tiling is from a screen's aspect ratio, plus a penalty for empty tiles."""
    width, height = tiling.size(count, above_px=0, below_px=0)
    ratio = width / height / (MAX_WIDTH_PX / MAX_HEIGHT_PX)
    return max(ratio, 1 / ratio) + -count % tiling.columns
