"""Plot the maps of an explanation with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tam_video.errors import ConfigError, TamVideoError, optional_import
from tam_video.render.heat import render_still
from tam_video.render.turns import find_word, shown_words
from tam_video.report.media import STILL_SIDE_PX, scaled
from tam_video.types import ByteArray, Explanation, Word
from tam_video.video.reader import open_video
from tam_video.video.source import check_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_WORDS = 8
_GRAY = 40


def plot_explanation(
    explanation: Explanation,
    *,
    words: Sequence[int | str] | None = None,
    num_slots: int = 6,
    colormap: str = "turbo",
    opacity: float = 0.6,
    video: str | Path | None = None,
    inches: float = 1.4,
) -> Figure:
    """Plot heatmaps over frames, with a row for each word and a column for each slot.

    Args:
        explanation: only its first input is used.
        words: indices or texts; by default the first `MAX_WORDS` content words.
        num_slots: largest number of columns, spaced evenly over the slots.
        colormap: turbo, inferno, cividis, viridis or jet.
        opacity: heatmap opacity where the map is 1.
        video: where the source is now; if no file can be read, heat is drawn on gray.
        inches: height of a row.

    Returns:
        A matplotlib figure: `.savefig("maps.pdf")`.

    Raises:
        ConfigError: a word that is not in the answer, no word at all, or no column.
        UnknownNameError: there is no such colour map.
        MissingDependencyError: matplotlib is not installed.
    """
    figure_class = _figure_class()
    rows = _rows(explanation, words)
    if num_slots < 1:
        raise ConfigError(
            f"num_slots must be at least 1, not {num_slots}",
            hint="pass a maximum number of columns, for example 6",
        )
    layout = explanation.layout
    count = min(num_slots, layout.t)
    slots = np.unique(np.linspace(0, layout.t - 1, count).round().astype(int)).tolist()
    frames = _frames(explanation, slots, video)
    aspect = explanation.info.width / explanation.info.height
    figure = figure_class(
        figsize=(inches * aspect * len(slots) + 0.9, inches * len(rows) + 0.3),
        layout="constrained",
    )
    axes = figure.subplots(len(rows), len(slots), squeeze=False)
    seconds = layout.slot_seconds(explanation.pts_seconds) - explanation.info.start_seconds
    for column, slot in enumerate(slots):
        for row, word in enumerate(rows):
            heat = explanation.word_maps[word.index, slot]
            picture = render_still(
                frames[column], heat, view=layout.view, colormap=colormap, opacity=opacity
            )
            axes[row][column].imshow(picture)
            axes[row][column].set(xticks=[], yticks=[])
        if not explanation.info.is_image:
            axes[0][column].set_title(f"{seconds[slot]:.2f} s", fontsize=8)
    for row, word in enumerate(rows):
        axes[row][0].set_ylabel(_plain(word.text), fontsize=9)
    return figure


def _figure_class() -> type[Figure]:
    with optional_import("matplotlib is not installed", install="'tam-video[plots]'"):
        from matplotlib.figure import Figure
    return Figure


def _rows(explanation: Explanation, words: Sequence[int | str] | None) -> list[Word]:
    if words is None:
        rows = shown_words(explanation)[:MAX_WORDS]
    else:
        rows = [find_word(explanation, wanted) for wanted in words]
    if not rows:
        raise ConfigError(
            "there is no word to plot", hint="pass 'words', or explain an answer with words"
        )
    return rows


def _frames(
    explanation: Explanation, slots: Sequence[int], video: str | Path | None
) -> list[ByteArray]:
    """Return the scaled first frame of each slot, or gray frames if the source can't be read."""
    indices = explanation.layout.slot_indices(explanation.indices)
    try:
        source = check_source(explanation.inputs[0], None if video is None else Path(video))
        with open_video(source.path) as reader:
            return [
                scaled(reader.read([indices[slot][0]]).frames[0], STILL_SIDE_PX) for slot in slots
            ]
    except TamVideoError:
        if video is not None:
            raise
    info = explanation.info
    blank = np.full((info.height, info.width, 3), _GRAY, dtype=np.uint8)
    return [scaled(blank, STILL_SIDE_PX)] * len(slots)


def _plain(text: str) -> str:
    """Escape dollar signs, because matplotlib would parse them as a formula."""
    return text.replace("$", r"\$")
