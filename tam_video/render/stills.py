"""Write the contact sheet of a run, with a row for each content word and a column for each slot.

On white, for papers and slides. The hottest slot of each row is framed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tam_video.render.canvas import Rect, even
from tam_video.render.captions import percent
from tam_video.render.context import RenderContext
from tam_video.render.elements import FrameState, PicturePane, always
from tam_video.render.fonts import FontStack
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import color_table
from tam_video.render.panes import display_aspect
from tam_video.render.schedule import chosen_subject
from tam_video.render.sheet import (
    Sheet,
    SheetItem,
    SheetPicture,
    SheetText,
    check_libraries,
    write_sheets,
)
from tam_video.render.text_drawing import cut_line
from tam_video.render.text_layout import wrap
from tam_video.render.theme import Color
from tam_video.render.timeline import clock_text
from tam_video.render.turns import NO_SUBJECT, Subject, question_of, shown_words, words_subject
from tam_video.types import ByteArray, Explanation, IntArray
from tam_video.video.planes import planes_of_rgb, rgb_of_planes
from tam_video.video.reader import VideoReader

MAX_ROWS, MAX_COLUMNS = 24, 8
_INK: Color = (32, 33, 38)
_GRAY: Color = (112, 116, 128)
_ACCENT: Color = (224, 112, 0)
_MARGIN_PX, _GAP_PX = 36, 8
_TEXT_PX, _SMALL_PX = 24, 17
_PICTURES_WIDTH_PX, _PICTURES_HEIGHT_PX = 1680, 2000
_MIN_TILE_PX, _MAX_TILE_PX = 120, 320
_MAX_LABEL_PX = 260
_ANSWER_LINES = 3
_SCALE_PX = (200, 14)
_FRAME_PX = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Grid:
    """The rows and columns of a contact sheet, and their sizes in pixels."""

    rows: list[Subject]
    slots: IntArray  # the slot of each column
    tile: tuple[int, int]  # (width, height) of a picture
    label_px: int  # width of the column of words
    top_px: int  # upper edge of the pictures

    @property
    def size(self) -> tuple[int, int]:
        """The (width, height) of the sheet in pixels."""
        x, y = self.corner(len(self.rows), len(self.slots))
        return x - _GAP_PX + _MARGIN_PX, y + 3 * _MARGIN_PX // 2

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return the position of a picture's upper left corner in pixels."""
        left = _MARGIN_PX + self.label_px
        width, height = self.tile
        return left + column * (width + _GAP_PX), self.top_px + row * (height + _GAP_PX)


def write_stills(
    explanation: Explanation, reader: VideoReader, out_dir: Path, context: RenderContext
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the contact sheet as PNG, PDF or SVG, as selected in the options.

    Returns:
        The paths of the written sheets, and warnings about what was left out.

    Raises:
        ConfigError: the chosen word, token or font does not exist.
        VideoDecodeError: a frame can't be decoded.
        ExportError: a file can't be written.
        MissingDependencyError: PDF or SVG without matplotlib.
    """
    kinds = context.look.stills
    if not kinds:
        return (), ()
    check_libraries(kinds)
    sheet = contact_sheet(explanation, reader, context)
    paths = tuple(out_dir / f"stills.{kind}" for kind in kinds)
    write_sheets(sheet, paths)
    left_out = len(_subjects(explanation, context.look)) - MAX_ROWS
    warnings = (f"the stills leave out {left_out} of the words",) if left_out > 0 else ()
    return paths, warnings


def contact_sheet(explanation: Explanation, reader: VideoReader, context: RenderContext) -> Sheet:
    """Return the contact sheet of a run."""
    fonts = FontStack(_TEXT_PX, context.look.font)
    small = FontStack(_SMALL_PX, context.look.font)
    grid = _grid(explanation, context, fonts)
    width, height = grid.size
    items: list[SheetItem] = _heading(explanation, fonts, small, width)
    geometry = context.geometry(explanation)
    for column, slot in enumerate(grid.slots.tolist()):
        x, y = grid.corner(0, column)
        time = clock_text(geometry.slot_seconds[slot] - context.clip.start_seconds)
        middle = x + grid.tile[0] / 2
        items.append(SheetText(middle, y - _GAP_PX, time, small, _GRAY, "middle"))
    items += _pictures(explanation, reader, context, grid)
    for row, subject in enumerate(grid.rows):
        x, y = grid.corner(row, 0)
        items += _row_label(subject, x - 2 * _GAP_PX, y + grid.tile[1] / 2, fonts, small)
    items += _scale(context.look, small, width - _MARGIN_PX, height - _MARGIN_PX // 2)
    return Sheet(width, height, tuple(items))


def _subjects(explanation: Explanation, look: RenderOptions) -> list[Subject]:
    chosen = chosen_subject(explanation, look)
    if chosen is not None:
        return [chosen]
    words = shown_words(explanation)
    return [words_subject(explanation, [word]) for word in words]


def _grid(explanation: Explanation, context: RenderContext, fonts: FontStack) -> _Grid:
    rows = _subjects(explanation, context.look)[:MAX_ROWS] or [NO_SUBJECT]
    t = explanation.layout.t
    slots = np.unique(np.linspace(0, t - 1, min(t, MAX_COLUMNS)).round().astype(np.int64))
    by_width = _PICTURES_WIDTH_PX / len(slots) - _GAP_PX
    by_height = (_PICTURES_HEIGHT_PX / len(rows) - _GAP_PX) * display_aspect(context.info)
    width = even(min(_MAX_TILE_PX, max(_MIN_TILE_PX, min(by_width, by_height))))
    tile = (width, even(width / display_aspect(context.info)))
    lengths = [fonts.length(subject.text) for subject in rows]
    label = int(min(_MAX_LABEL_PX, max(lengths, default=0.0))) + 2 * _GAP_PX + _TEXT_PX
    sheet_width = 2 * _MARGIN_PX + label + len(slots) * (width + _GAP_PX) - _GAP_PX
    lines = len(_answer_lines(explanation, fonts, sheet_width))
    top = 2 * _MARGIN_PX + round(1.35 * _TEXT_PX * lines) + 3 * _SMALL_PX
    return _Grid(rows, slots, tile, label, top)


def _answer_lines(explanation: Explanation, fonts: FontStack, width: int) -> list[str]:
    room = width - 2 * _MARGIN_PX
    lines = [
        "".join(piece.text for piece in line)
        for line in wrap(explanation.answer, width_px=room, length=fonts.length)
    ]
    if len(lines) > _ANSWER_LINES:
        rest = " ".join(lines[_ANSWER_LINES - 1 :])
        lines[_ANSWER_LINES - 1 :] = [cut_line(rest, width_px=room, fonts=fonts)]
    return lines


def _heading(
    explanation: Explanation, fonts: FontStack, small: FontStack, width: int
) -> list[SheetItem]:
    question = cut_line(question_of(explanation), width_px=width - 2 * _MARGIN_PX, fonts=small)
    baseline: float = _MARGIN_PX + _SMALL_PX
    items: list[SheetItem] = [SheetText(_MARGIN_PX, baseline, question, small, _GRAY)]
    for line in _answer_lines(explanation, fonts, width):
        baseline += 1.35 * _TEXT_PX
        items.append(SheetText(_MARGIN_PX, baseline, line, fonts, _INK))
    return items


def _pictures(
    explanation: Explanation, reader: VideoReader, context: RenderContext, grid: _Grid
) -> list[SheetItem]:
    """Return all pictures. In each row, a frame marks the slot with the highest mean relevance."""
    width, height = grid.tile
    canvas, geometry = context.canvas(width, height), context.geometry(explanation)
    states = [
        _frame_state(explanation, reader, context, slot, grid.tile) for slot in grid.slots.tolist()
    ]
    items: list[SheetItem] = []
    for row, subject in enumerate(grid.rows):
        energy = subject.energy
        warmth = np.zeros(len(grid.slots)) if energy is None else energy[grid.slots]
        rect = Rect(0, 0, width, height)
        pane = PicturePane(rect, geometry, always(subject), context)
        for column, state in enumerate(states):
            pane.draw(canvas, state)
            rgb = rgb_of_planes(canvas.drawn.planes, matrix=canvas.matrix)
            if column == warmth.argmax() and warmth.max() > 0:
                rgb[:_FRAME_PX] = rgb[-_FRAME_PX:] = _ACCENT
                rgb[:, :_FRAME_PX] = rgb[:, -_FRAME_PX:] = _ACCENT
            items.append(SheetPicture(*grid.corner(row, column), rgb))
    return items


def _frame_state(
    explanation: Explanation,
    reader: VideoReader,
    context: RenderContext,
    slot: int,
    tile: tuple[int, int],
) -> FrameState:
    """Return a slot's middle frame, resized to a tile, with the time of the slot."""
    import cv2

    frames = explanation.layout.slot_indices(explanation.indices)[slot]
    batch = reader.read([frames[len(frames) // 2]])
    small: ByteArray = np.asarray(
        cv2.resize(batch.frames[0], tile, interpolation=cv2.INTER_AREA), dtype=np.uint8
    )
    picture = planes_of_rgb(small, matrix=context.matrix, step=context.step)
    seconds = float(explanation.layout.slot_seconds(explanation.pts_seconds)[slot])
    return FrameState(picture, int(batch.indices[0]), seconds, subjects=(), shown=())


def _row_label(
    subject: Subject, right: float, middle: float, fonts: FontStack, small: FontStack
) -> list[SheetItem]:
    """Return the label of a row: the word, and the probability of the word's first token."""
    word = cut_line(subject.text, width_px=_MAX_LABEL_PX, fonts=fonts)
    probabilities = [choice.probability for choice in subject.choices if choice.in_answer]
    items: list[SheetItem] = [SheetText(right, middle, word, fonts, _INK, "right")]
    if probabilities:
        baseline = middle + 1.3 * _SMALL_PX
        items.append(SheetText(right, baseline, percent(probabilities[0]), small, _GRAY, "right"))
    return items


def _scale(look: RenderOptions, fonts: FontStack, right: int, bottom: int) -> list[SheetItem]:
    """Return the colour scale for relevance from 0 to 1. It is gray below the threshold."""
    width, height = _SCALE_PX
    levels = np.linspace(0, 255, width).round().astype(np.int64)
    colors = color_table(look.colormap)[levels]
    colors = np.where((levels / 255 >= look.threshold)[:, None], colors, 224).astype(np.uint8)
    one = fonts.length("1")
    left = int(right - one - _GAP_PX - width)
    baseline = bottom + 0.35 * _SMALL_PX
    return [
        SheetText(right, baseline, "1", fonts, _GRAY, "right"),
        SheetPicture(left, bottom - height // 2, np.repeat(colors[None], height, axis=0)),
        SheetText(left - _GAP_PX, baseline, "heat 0", fonts, _GRAY, "right"),
    ]
