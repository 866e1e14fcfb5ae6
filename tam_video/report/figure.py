"""The figure a paper needs: words by slots, drawn by matplotlib, with text that stays text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tam_video.errors import ConfigError, MissingDependencyError, TamVideoError
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
    """Words (rows) by slots (columns), heat over the frames that fed the slots.

    Args:
        explanation: its first input is meant.
        words: indices or texts; by default the first `MAX_WORDS` content words.
        num_slots: columns at most, spread evenly over the slots.
        colormap: turbo, inferno, cividis, viridis or jet.
        opacity: share of colour where the map is 1.
        video: where the source is now; where it can't be read, heat is drawn on gray.
        inches: height of a row.

    Returns:
        A matplotlib figure: `.savefig("maps.pdf")`.

    Raises:
        ConfigError: a word that is not in the answer, no word at all, or no column.
        UnknownNameError: there is no such colour map.
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingDependencyError(
            "matplotlib is not installed", hint="pip install 'tam-video[plots]'"
        ) from exc
    rows = _rows(explanation, words)
    if num_slots < 1:
        raise ConfigError(f"num_slots is {num_slots}", hint="1 at least")
    layout = explanation.layout
    count = min(num_slots, layout.t)
    slots = np.unique(np.linspace(0, layout.t - 1, count).round().astype(int)).tolist()
    frames = _frames(explanation, slots, video)
    seconds = layout.slot_seconds(explanation.pts_seconds) - explanation.info.start_seconds
    aspect = explanation.info.width / explanation.info.height
    figure = Figure(
        figsize=(inches * aspect * len(slots) + 0.9, inches * len(rows) + 0.3),
        layout="constrained",
    )
    axes = figure.subplots(len(rows), len(slots), squeeze=False)
    for row, word in enumerate(rows):
        for column, slot in enumerate(slots):
            axis = axes[row][column]
            axis.imshow(
                render_still(
                    frames[column],
                    explanation.word_maps[word.index, slot],
                    view=layout.view,
                    colormap=colormap,
                    opacity=opacity,
                )
            )
            axis.set_xticks([])
            axis.set_yticks([])
            if row == 0 and not explanation.info.is_image:
                axis.set_title(f"{seconds[slot]:.2f} s", fontsize=8)
        axes[row][0].set_ylabel(_plain(word.text), fontsize=9)
    return figure


def _rows(explanation: Explanation, words: Sequence[int | str] | None) -> list[Word]:
    if words is None:
        found = shown_words(explanation)[:MAX_WORDS]
    else:
        found = [find_word(explanation, wanted) for wanted in words]
    if not found:
        raise ConfigError("there is no word to plot", hint="the answer is empty")
    return found


def _frames(
    explanation: Explanation, slots: Sequence[int], video: str | Path | None
) -> list[ByteArray]:
    """The first frame of each slot, small; gray where the source can't be read."""
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
    """Text that matplotlib draws as it is: a dollar sign would start a formula."""
    return text.replace("$", r"\$")
