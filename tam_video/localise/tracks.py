"""Compute tracks: where and when a map is above its threshold.

One Otsu threshold over the whole volume of a map separates hot cells from cold ones. Hot cells that
touch, also diagonally or from slot to slot, form a component; a track keeps the component that
contains the map's peak. A slot's cells apply to all frames of the slot; nothing is interpolated
between slots.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from tam_video.localise.pixels import Placement
from tam_video.localise.timeline import SlotTimeline, slot_timeline
from tam_video.localise.track import Peak, WordTrack
from tam_video.metrics.plausibility import otsu_threshold
from tam_video.types import BoolArray, Explanation, Float64Array, FloatArray

Keep: TypeAlias = Literal["peak", "all"]
"""Components of the hot cells that a track has: the one with the peak, or all."""


def word_tracks(
    explanation: Explanation,
    input: int = 0,
    *,
    keep: Keep = "peak",
    frame_seconds: Float64Array | None = None,
) -> tuple[WordTrack, ...]:
    """Compute the track of every word of the answer.

    Args:
        explanation: an answer and its maps.
        input: index of the video or image.
        keep: the component that contains the peak, or "all" hot cells.
        frame_seconds: float64 [F], the pts of all frames of that input's source; estimated if None.

    Returns:
        N tracks, in the order of the words.

    Raises:
        ValueError: there is no such input, or `frame_seconds` is not one time per frame.
    """
    alone, track = _tracker(explanation, input, keep, frame_seconds)
    return tuple(
        track(heat, text=word.text, word_index=word.index)
        for word, heat in zip(alone.words, alone.word_maps, strict=True)
    )


def subject_track(
    explanation: Explanation,
    *,
    word: int | None = None,
    token: int | None = None,
    input: int = 0,
    keep: Keep = "peak",
    frame_seconds: Float64Array | None = None,
) -> WordTrack:
    """Compute the track of one word or one text token. See `word_tracks` for the arguments.

    Raises:
        ValueError: not one of `word` and `token` is given, or there is no such word or token.
    """
    if (word is None) == (token is None):
        raise ValueError("pass exactly one of 'word' and 'token'")
    alone, track = _tracker(explanation, input, keep, frame_seconds)
    subjects, maps = (alone.words, alone.word_maps) if token is None else (alone.tokens, alone.maps)
    index = (word if token is None else token) or 0
    if not 0 <= index < len(subjects):
        kind = "word" if token is None else "token"
        raise ValueError(
            f"there is no {kind} {index}: the index must be at least 0 and below {len(subjects)}"
        )
    return track(maps[index], text=subjects[index].text, word_index=word, token_index=token)


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
    """Compute a track from any map.

    Cells on padding, without a pixel in the picture, are never hot and don't count for the
    threshold; their energy counts in `energy` and in the denominator of `energy_share`.

    Args:
        heat: float32 [t, h, w], >= 0.
        placement: where its cells lie.
        timeline: the times of its slots.
        text: the word or token of the map.
        word_index: index of the word.
        token_index: index of the token.
        input: index of the input.
        keep: the component that contains the peak, or "all" hot cells.

    Raises:
        ValueError: the map is not finite, does not fit, or `keep` is unknown.
    """
    if keep not in ("peak", "all"):
        raise ValueError(f"keep must be 'peak' or 'all', not {keep!r}")
    expected = (len(timeline.slot_seconds), placement.h, placement.w)
    if heat.shape != expected:
        raise ValueError(f"'heat' must have shape {list(expected)}, not {list(heat.shape)}")
    shown = placement.cells_in_picture()
    threshold = otsu_threshold(heat[:, shown] if shown.any() else heat[:, :1, :1])
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
    explanation: Explanation, index: int, keep: Keep, frame_seconds: Float64Array | None
) -> tuple[Explanation, Callable[..., WordTrack]]:
    """Return the explanation of one input, and a function that computes tracks in this input."""
    if not 0 <= index < len(explanation.inputs):
        raise ValueError(
            f"there is no input {index}: the index must be at least 0 and below "
            f"{len(explanation.inputs)}"
        )
    alone = explanation.of_input(index)
    return alone, partial(
        track_map,
        placement=Placement.of(alone),
        timeline=slot_timeline(alone, frame_seconds=frame_seconds),
        input=index,
        keep=keep,
    )


def _component(mask: BoolArray, cell: tuple[int, int, int]) -> BoolArray:
    """Return the connected component that contains a cell: bool [t, h, w]."""
    from scipy.ndimage import label

    labels, _ = label(mask, structure=np.ones((3, 3, 3)))
    return np.asarray(labels == labels[cell])


def _peak(heat: FloatArray, placement: Placement, timeline: SlotTimeline) -> Peak:
    slot, row, column = (int(index) for index in np.unravel_index(heat.argmax(), heat.shape))
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
