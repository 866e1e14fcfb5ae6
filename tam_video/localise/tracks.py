"""From maps to tracks: the part of a map that names a place and a time.

One Otsu threshold parts the whole volume of a map into hot and cold cells. Hot cells that touch,
also across a corner or from slot to slot, are one component; a track keeps the one that holds the
map's peak. A slot's cells stand for every frame that the slot speaks for: between slots nothing is
known, so nothing is blended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from tam_video.localise.pixels import Placement
from tam_video.localise.timeline import SlotTimeline, slot_timeline
from tam_video.localise.track import Peak, WordTrack
from tam_video.metrics.grids import BoolArray
from tam_video.metrics.plausibility import otsu_threshold
from tam_video.types import Explanation, Float64Array, FloatArray

Keep: TypeAlias = Literal["peak", "all"]
"""Which components of the hot cells a track has: the one with the peak, or all."""


def word_tracks(
    explanation: Explanation,
    input: int = 0,
    *,
    keep: Keep = "peak",
    frame_seconds: Float64Array | None = None,
) -> tuple[WordTrack, ...]:
    """The track of every word of the answer.

    Args:
        explanation: an answer and its maps.
        input: number of the video or image.
        keep: the component that holds the peak, or "all" hot cells.
        frame_seconds: float64 [F], the pts of all frames of that input's source, where known.

    Returns:
        N tracks, in the order of the words.

    Raises:
        ValueError: there is no such input, or `frame_seconds` is not one time a frame.
    """
    seen, track = _tracker(explanation, input, keep, frame_seconds)
    return tuple(
        track(heat, text=word.text, word_index=word.index)
        for word, heat in zip(seen.words, seen.word_maps, strict=True)
    )


def word_track(
    explanation: Explanation,
    word_index: int,
    input: int = 0,
    *,
    keep: Keep = "peak",
    frame_seconds: Float64Array | None = None,
) -> WordTrack:
    """The track of one word; see `word_tracks`.

    Raises:
        ValueError: there is no such word or input.
    """
    if not 0 <= word_index < len(explanation.words):
        raise ValueError(f"there is no word {word_index} among {len(explanation.words)}")
    seen, track = _tracker(explanation, input, keep, frame_seconds)
    text = seen.words[word_index].text
    return track(seen.word_maps[word_index], text=text, word_index=word_index)


def token_track(
    explanation: Explanation,
    token_index: int,
    input: int = 0,
    *,
    keep: Keep = "peak",
    frame_seconds: Float64Array | None = None,
) -> WordTrack:
    """The track of one of the M text tokens; see `word_tracks`.

    Raises:
        ValueError: there is no such token or input.
    """
    if not 0 <= token_index < len(explanation.tokens):
        raise ValueError(f"there is no token {token_index} among {len(explanation.tokens)}")
    seen, track = _tracker(explanation, input, keep, frame_seconds)
    text = seen.tokens[token_index].text
    return track(seen.maps[token_index], text=text, token_index=token_index)


def track_map(
    heat: FloatArray,
    placement: Placement,
    timeline: SlotTimeline,
    *,
    text: str = "",
    word_index: int | None = None,
    token_index: int | None = None,
    input: int = 0,
    keep: Keep = "peak",
) -> WordTrack:
    """The track of any map.

    Cells without a pixel in the picture, those on padding, are never hot and have no say in the
    threshold; their energy counts in `energy` and in the whole of `energy_share`.

    Args:
        heat: float32 [t, h, w], >= 0.
        placement: where its cells lie.
        timeline: when its slots speak.
        text: what it is the map of.
        word_index: place among the words.
        token_index: place among the tokens.
        input: number of the input.
        keep: the component that holds the peak, or "all" hot cells.

    Raises:
        ValueError: the map is not finite, does not fit, or `keep` is unknown.
    """
    if keep not in ("peak", "all"):
        raise ValueError(f"keep must be 'peak' or 'all', not {keep!r}")
    expected = (len(timeline.slot_seconds), placement.h, placement.w)
    if heat.shape != expected:
        raise ValueError(f"heat must be {list(expected)} here, not {list(heat.shape)}")
    shown = placement.cells_in_picture()
    seen = heat[:, shown] if shown.any() else heat[:, :1, :1]
    threshold = otsu_threshold(seen)
    mask = (heat > threshold) & shown
    peak = _peak(np.where(shown, heat, -np.inf), placement, timeline) if mask.any() else None
    if peak is not None and keep == "peak":
        mask = _component(mask, (peak.slot, peak.row, peak.column))
    energy = heat.sum(axis=(1, 2), dtype=np.float64)
    whole = float(energy.sum())
    return WordTrack(
        text=text,
        word_index=word_index,
        token_index=token_index,
        input=input,
        heat=heat,
        threshold=threshold,
        mask=mask,
        placement=placement,
        timeline=timeline,
        boxes=np.array([placement.box(cells) for cells in mask], dtype=np.int64),
        centroids=np.array(
            [_centroid(row, cells, placement) for row, cells in zip(heat, mask, strict=True)]
        ),
        peak=peak,
        energy=energy,
        energy_share=float(heat[mask].sum(dtype=np.float64)) / whole if whole > 0 else 0.0,
    )


def _tracker(
    explanation: Explanation, number: int, keep: Keep, frame_seconds: Float64Array | None
) -> tuple[Explanation, Callable[..., WordTrack]]:
    """One input, and `track_map` with all that its maps have in common."""
    if not 0 <= number < len(explanation.inputs):
        raise ValueError(f"there is no input {number} among {len(explanation.inputs)}")
    seen = explanation.of_input(number)
    return seen, partial(
        track_map,
        placement=Placement.of(seen),
        timeline=slot_timeline(seen, frame_seconds=frame_seconds),
        input=number,
        keep=keep,
    )


def _component(mask: BoolArray, cell: tuple[int, int, int]) -> BoolArray:
    """Bool [t, h, w]: the cells that hang together with a cell, across corners too."""
    from scipy.ndimage import label

    labels, _ = label(mask, structure=np.ones((3, 3, 3)))
    return np.asarray(labels == labels[cell])


def _peak(heat: FloatArray, placement: Placement, timeline: SlotTimeline) -> Peak:
    slot, row, column = (int(place) for place in np.unravel_index(heat.argmax(), heat.shape))
    x, y = placement.centers()
    return Peak(
        slot,
        row,
        column,
        float(heat[slot, row, column]),
        float(x[column]),
        float(y[row]),
        float(timeline.slot_seconds[slot]),
    )


def _centroid(heat: FloatArray, cells: BoolArray, placement: Placement) -> tuple[float, float]:
    weights = np.where(cells, heat, 0.0).astype(np.float64)
    if not weights.sum() > 0:
        return float("nan"), float("nan")
    weights /= weights.sum()
    x, y = placement.centers()
    return float(weights.sum(axis=0) @ x), float(weights.sum(axis=1) @ y)
