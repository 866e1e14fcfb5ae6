"""Where the pictures of a layout stand and how large they are. Pure geometry, in even pixels."""

from __future__ import annotations

from dataclasses import dataclass

from tam_video.render.canvas import Rect, even
from tam_video.types import VideoInfo

MAX_WIDTH_PX, MAX_HEIGHT_PX = 1920, 1080
MIN_PANE_WIDTH_PX = 160
GAP_PX = 8


@dataclass(frozen=True, slots=True)
class Tiling:
    """Equal cells in rows, in reading order.

    Attributes:
        columns: cells in a row.
        width: width of a cell's picture in pixels.
        height: height of a cell's picture in pixels.
    """

    columns: int
    width: int
    height: int

    def place(self, number: int, *, above_px: int, below_px: int) -> Rect:
        """Where the picture of a cell stands.

        Args:
            number: of the cell, from 0.
            above_px: height of what stands above each picture, even.
            below_px: height of what stands below each picture, even.
        """
        row, column = divmod(number, self.columns)
        return Rect(
            column * (self.width + GAP_PX),
            row * (above_px + self.height + below_px + GAP_PX) + above_px,
            self.width,
            self.height,
        )

    def size(self, count: int, *, above_px: int, below_px: int) -> tuple[int, int]:
        """(width, height) in pixels of so many cells."""
        columns, rows = min(count, self.columns), -(-count // self.columns)
        cell = above_px + self.height + below_px
        return columns * (self.width + GAP_PX) - GAP_PX, rows * (cell + GAP_PX) - GAP_PX


def display_aspect(info: VideoInfo) -> float:
    """Width over height as a player shows it."""
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
    """The number of columns that makes the pictures largest.

    A picture is not larger than its source, except that it has a width that can be looked at.

    Args:
        count: how many cells.
        info: the source.
        extra_px: height of what stands above and below each picture.
        room_px: (width, height) that all cells may take.
        columns: so many, instead of the best number.
        min_width_px: no picture is narrower, however little room there is.
    """
    aspect = display_aspect(info)
    own_width = max(aspect * info.height, 2 * MIN_PANE_WIDTH_PX * min(1.0, aspect))
    best: Tiling | None = None
    for number in range(1, count + 1) if columns is None else (columns,):
        rows = -(-count // number)
        by_width = (room_px[0] - (number - 1) * GAP_PX) / number
        by_height = ((room_px[1] - (rows - 1) * GAP_PX) / rows - extra_px) * aspect
        width = max(min_width_px, min(by_width, by_height, own_width))
        found = Tiling(number, 2 * int(width / 2), even(width / aspect))
        if best is None or _is_better(found, best, count):
            best = found
    if best is None:
        raise ValueError("a tiling has one cell at least")
    return best


def _is_better(found: Tiling, best: Tiling, count: int) -> bool:
    """Larger pictures, else the shape that is nearer to a screen's."""
    if found.width != best.width:
        return found.width > best.width
    return _strangeness(found, count) < _strangeness(best, count)


def _strangeness(tiling: Tiling, count: int) -> float:
    width, height = tiling.size(count, above_px=0, below_px=0)
    ratio = width / height / (MAX_WIDTH_PX / MAX_HEIGHT_PX)
    empty = -count % tiling.columns
    return max(ratio, 1 / ratio) + empty
