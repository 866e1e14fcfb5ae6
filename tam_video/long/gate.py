"""The motion gate, which finds time spans with motion in a long video at low cost.

Owns: how often a file is sampled (a look), what counts as motion, how looks become spans. It needs
the memory of one small frame and its background, for any length of the video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import ConfigError
from tam_video.long.background import Background
from tam_video.long.pictures import small_pictures
from tam_video.settings.declare import Declared, check_values, setting
from tam_video.types import ByteArray
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, checked_path

_SHARE: Final[dict[str, Any]] = {"ge": 0, "le": 1}
_DURATION: Final[dict[str, Any]] = {"ge": 0, "le": 86_400}
_CLOSING_PX = 5  # parts of a thing closer than this are one box


@dataclass(frozen=True)
class GateOptions(Declared):
    """Options for the motion gate: the frame rate and the thresholds for motion."""

    looks_per_second: float = setting(
        2.0, "Frames examined per second: at least 8 if moving objects are redacted.", gt=0, le=60
    )
    side: int = setting(160, "Longer side of the examined frames, in pixels.", ge=16, le=4096)
    deviations: float = setting(
        4.0, "Smallest change of a pixel that counts, in standard deviations of noise.", gt=0
    )
    min_levels: float = setting(
        10.0, "Smallest change of a pixel that counts, in grey levels.", ge=0, le=255
    )
    min_area: float = setting(
        0.001, "Smallest area of a moving object, as a share of the frame.", **_SHARE
    )
    on_share: float = setting(
        0.001, "Share of the frame that must move to start a motion span.", **_SHARE
    )
    off_share: float = setting(
        0.0005, "Share of the frame that must move to continue a motion span.", **_SHARE
    )
    global_share: float = setting(
        0.5, "Smallest share of the frame that changes in a cut or a change of light.", **_SHARE
    )
    relearn_seconds: float = setting(
        3.0, "Time from a cut or a change of light until the background is replaced.", **_DURATION
    )
    absorb_seconds: float = setting(30.0, "Time until a still object becomes background.", gt=0)
    hold_before_seconds: float = setting(1.0, "Time added before each motion span.", **_DURATION)
    hold_after_seconds: float = setting(1.0, "Time added after each motion span.", **_DURATION)
    merge_seconds: float = setting(2.0, "Longest gap between spans that are merged.", **_DURATION)

    def __post_init__(self) -> None:
        check_values(self)
        if self.off_share > self.on_share:
            raise ConfigError(
                "'off_share' must not be larger than 'on_share'",
                hint="lower 'off_share' or raise 'on_share'",
            )

    @property
    def slot_seconds(self) -> float:
        """Return the time between two examined frames."""
        return 1 / self.looks_per_second


@dataclass(frozen=True, slots=True)
class Motion:
    """The motion in one examined frame.

    Attributes:
        pts_seconds: container time.
        share: moved share of the frame, 0 to 1.
        boxes: (left, top, right, bottom) of each moving region, as shares of the upright frame,
            largest first.
        is_global: whether nearly the whole frame changed at once.
    """

    pts_seconds: float
    share: float
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    is_global: bool = False


@dataclass(frozen=True, slots=True)
class ActiveSpan:
    """A time span with motion.

    Attributes:
        start_seconds: its start, with the time added before.
        end_seconds: its end, with the time added after.
        peak_share: largest moved share.
    """

    start_seconds: float
    end_seconds: float
    peak_share: float = 0.0


class MotionGate:
    """Detects motion in successive frames without storing them. The frame size may change."""

    def __init__(self, options: GateOptions | None = None) -> None:
        self._options = options or GateOptions()
        self._background: Background | None = None
        self._shape: tuple[int, ...] = ()
        self._last_seconds = 0.0
        self._changed_since: float | None = None

    def look(self, pts_seconds: float, luma: ByteArray) -> Motion:
        """Update the background model with a frame, and return the motion in the frame.

        Args:
            pts_seconds: its time, later than the last.
            luma: uint8 [H, W], upright; a new size starts a new scene.

        Returns:
            The motion; none for the first frame.
        """
        small = _reduced(luma, self._options.side)
        if self._background is None or small.shape != self._shape:
            self._background = self._new_background()
            self._shape, self._last_seconds, self._changed_since = small.shape, pts_seconds, None
        moved = self._background.look(small, seconds_passed=pts_seconds - self._last_seconds)
        self._last_seconds = pts_seconds
        share, boxes = _regions(moved, min_area=self._options.min_area)
        is_global = share >= self._options.global_share
        since = pts_seconds if self._changed_since is None else self._changed_since
        self._changed_since = since if is_global else None
        if is_global and pts_seconds - since >= self._options.relearn_seconds:
            self._background, self._changed_since = self._new_background(), None
            self._background.look(small, seconds_passed=0)
        return Motion(pts_seconds, share, boxes, is_global)

    def _new_background(self) -> Background:
        return Background(
            absorb_seconds=self._options.absorb_seconds,
            deviations=self._options.deviations,
            min_levels=self._options.min_levels,
        )


def looks(
    path: str | Path,
    *,
    options: GateOptions | None = None,
    limits: ReadLimits = DEFAULT_LIMITS,
    threads: int = 0,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Iterator[Motion]:
    """Detect motion in a video file. Only one frame is in memory at a time.

    Args:
        path: a local video file.
        options: options of the gate.
        limits: what the file may declare before it is refused.
        threads: decoding threads; 0 for the default of FFmpeg.
        start_seconds: start, in container time; None for the start of the file.
        end_seconds: end, in container time; None for the end of the file.

    Yields:
        One `Motion` for each look, in order of time.

    Raises:
        InputError: the file cannot be read, or is refused.
    """
    chosen = options or GateOptions()
    checked = checked_path(path)
    gate = MotionGate(chosen)
    pictures = small_pictures(
        checked,
        slot_seconds=chosen.slot_seconds,
        side=chosen.side,
        limits=limits,
        threads=threads,
        start_seconds=start_seconds,
    )
    for pts_seconds, luma in pictures:
        if end_seconds is not None and pts_seconds >= end_seconds:
            return
        yield gate.look(pts_seconds, luma)


def active_spans(
    motions: Iterable[Motion], options: GateOptions | None = None
) -> tuple[ActiveSpan, ...]:
    """Return the time spans with motion; see `stream_spans`."""
    return tuple(stream_spans(motions, options))


def stream_spans(
    motions: Iterable[Motion], options: GateOptions | None = None
) -> Iterator[ActiveSpan]:
    """Yield each time span with motion as soon as its end is known.

    A span starts at `on_share` and continues down to `off_share`; a global change in a single frame
    starts none.

    Args:
        motions: motions in order of time.
        options: thresholds, times added before and after, and the gap that is merged.
    """
    chosen = options or GateOptions()
    held = chosen.hold_before_seconds + chosen.slot_seconds + chosen.hold_after_seconds
    reach = held + chosen.merge_seconds
    first: float | None = None
    open_span: ActiveSpan | None = None  # first to last moving frame, without added time
    for motion in _without_flashes(motions):
        now = motion.pts_seconds
        first = now if first is None else first
        if open_span is not None and now - open_span.end_seconds > reach:
            yield _padded(open_span, chosen, first)
            open_span = None
        is_going_on = open_span is not None and motion.share >= chosen.off_share > 0
        if motion.share < chosen.on_share and not is_going_on:
            continue
        start = open_span.start_seconds if open_span else now
        peak = max(motion.share, open_span.peak_share if open_span else 0.0)
        open_span = ActiveSpan(start, now, peak)
    if open_span is not None and first is not None:
        yield _padded(open_span, chosen, first)


def _padded(span: ActiveSpan, options: GateOptions, first: float) -> ActiveSpan:
    """Extend a span by the hold times before and after, but not beyond the start of the video."""
    start = span.start_seconds - options.hold_before_seconds
    end = span.end_seconds + options.slot_seconds + options.hold_after_seconds
    return ActiveSpan(max(start, first), end, span.peak_share)


def _without_flashes(motions: Iterable[Motion]) -> Iterator[Motion]:
    """Yield motions one frame late. A global change that lasts one frame counts as no motion."""
    held: Motion | None = None
    was_global = False
    for motion in chain(motions, (None,)):
        if held is not None:
            is_flash = held.is_global and not was_global and not (motion and motion.is_global)
            yield Motion(held.pts_seconds, 0.0) if is_flash else held
            was_global = held.is_global
        held = motion


def _reduced(luma: ByteArray, side: int) -> ByteArray:
    import cv2

    height, width = luma.shape
    scale = side / max(height, width)
    if scale >= 1:
        return luma
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cast("ByteArray", cv2.resize(luma, size, interpolation=cv2.INTER_AREA))


def _regions(
    moved: NDArray[np.bool_], *, min_area: float
) -> tuple[float, tuple[tuple[float, float, float, float], ...]]:
    """Return which share of the frame moved, and the boxes of the large regions that moved."""
    import cv2

    if not moved.any():
        return 0.0, ()
    height, width = moved.shape
    mask = moved.astype(np.uint8)
    if min(height, width) >= _CLOSING_PX:
        mask = cast("NDArray[np.uint8]", cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((2, 2))))
        kernel = np.ones((_CLOSING_PX, _CLOSING_PX))
        mask = cast("NDArray[np.uint8]", cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel))
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    large = [row for row in stats[1:].tolist() if row[cv2.CC_STAT_AREA] >= min_area * mask.size]
    large.sort(key=lambda row: -row[cv2.CC_STAT_AREA])
    boxes = tuple(
        (left / width, top / height, (left + wide) / width, (top + high) / height)
        for left, top, wide, high, _ in large
    )
    return sum(row[cv2.CC_STAT_AREA] for row in large) / mask.size, boxes
