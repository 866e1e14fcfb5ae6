"""The values that all layouts use: source, clocks, options, and the model's view of the clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np

from tam_video.localise import WordTrack, subject_track
from tam_video.localise.timeline import explained_range
from tam_video.render.canvas import Canvas
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import TimeWindow
from tam_video.render.schedule import ClipClock
from tam_video.render.timeline import TimeAxis
from tam_video.render.turns import Subject
from tam_video.types import Explanation, Float64Array, VideoInfo, View

Boxes: TypeAlias = Callable[[Subject, int], list[tuple[int, int, int, int]]]


@dataclass(frozen=True, slots=True, eq=False)
class ViewGeometry:
    """The times and the picture area that the model received in one run.

    Attributes:
        slot_seconds: float64 [t], the times of its slots.
        window: the time range that the slots represent.
        view: the part of the picture that it saw.
        size: (width, height) of the source in pixels, the unit of the boxes.
        boxes: returns the boxes of a subject in a frame of the source.
    """

    slot_seconds: Float64Array
    window: TimeWindow
    view: View
    size: tuple[int, int]
    boxes: Boxes


@dataclass(frozen=True, slots=True, eq=False)
class RenderContext:
    """The values that all layouts use.

    Attributes:
        info: the source.
        clip: its clock.
        look: the options.
        matrix: ITU-T H.273 matrix number of the canvas.
        step: 2 for clips (4:2:0), 1 for still pictures (4:4:4).
        min_size: minimum (width, height) of the canvas in pixels, even.
        shown_clock: the clock that is drawn, for a clip that is part of a longer one; None: `clip`.
    """

    info: VideoInfo
    clip: ClipClock
    look: RenderOptions
    matrix: int
    step: int = 2
    min_size: tuple[int, int] = (0, 0)
    shown_clock: ClipClock | None = None

    def canvas(self, width: int, height: int) -> Canvas:
        """Return an empty canvas of the given size, or larger if `min_size` is larger."""
        size = max(width, self.min_size[0]), max(height, self.min_size[1])
        return Canvas(*size, matrix=self.matrix, step=self.step)

    def geometry(self, explanation: Explanation) -> ViewGeometry:
        """Return the times and the picture area that the model received in a run."""
        start, end = explained_range(
            explanation,
            clip_start_seconds=self.clip.start_seconds,
            clip_end_seconds=self.clip.end_seconds,
        )
        return ViewGeometry(
            explanation.layout.slot_seconds(explanation.pts_seconds),
            TimeWindow(start, end),
            explanation.layout.view,
            (self.info.width, self.info.height),
            _subject_boxes(explanation, self.clip.pts_seconds),
        )

    @property
    def clock_axis(self) -> TimeAxis:
        """The time axis of the clock on the screen. It has no slots."""
        clock = self.shown_clock or self.clip
        window = TimeWindow(clock.start_seconds, clock.end_seconds)
        return TimeAxis(clock.start_seconds, clock.end_seconds, np.empty(0), window)

    def axis(self, geometry: ViewGeometry) -> TimeAxis:
        """Return the time axis for the clip, with the slots of a run."""
        start, end = self.clip.start_seconds, self.clip.end_seconds
        return TimeAxis(start, end, geometry.slot_seconds, geometry.window)


def _subject_boxes(explanation: Explanation, frame_seconds: Float64Array) -> Boxes:
    """Return a function that computes a subject's boxes in a frame, and caches the tracks."""

    @cache
    def track(word: int | None, token: int | None) -> WordTrack:
        return subject_track(explanation, word=word, token=token, frame_seconds=frame_seconds)

    def boxes(subject: Subject, frame: int) -> list[tuple[int, int, int, int]]:
        tracks = [track(word, None) for word in subject.word_indices]
        if subject.token_index is not None:
            tracks.append(track(None, subject.token_index))
        candidates = (each.box_at(frame) for each in tracks)
        return [box for box in candidates if box is not None]

    return boxes
