"""Find motion and scene changes in a long video, before its windows are planned.

Times are seconds from the first frame, unless they are container times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, MissingDependencyError
from tam_video.long.gate import GateOptions, Motion, looks, stream_spans
from tam_video.long.pictures import all_pictures
from tam_video.long.windows import LongOptions
from tam_video.stages import StageTimer
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, VideoReader, checked_path

_MOST_BINS = 1440  # about the columns of a wide page
_SIDE_PX = 160
_KEPT_TIMES = 256  # a cut is reported some frames late
_NOMINAL_FPS = 25.0  # the detector counts frames; the true times are added here
_SHORTEST_FRAMES = 15


@dataclass(frozen=True, slots=True)
class VideoPart:
    """The explained part of a video.

    Attributes:
        zero_seconds: container time of the first frame.
        start_seconds: start of the part.
        end_seconds: end of the part.
    """

    zero_seconds: float
    start_seconds: float
    end_seconds: float

    @classmethod
    def of(cls, reader: VideoReader, settings: RunConfig) -> Self:
        """Return the part from `start_seconds` to `end_seconds` of the settings.

        Raises:
            ConfigError: it starts after the end of the video.
        """
        length = reader.info.duration_seconds
        start = settings.start_seconds or 0.0
        if start >= length:
            raise ConfigError(
                f"the video ends at {length:.1f} s, before --start", hint="pass an earlier --start"
            )
        end = min(settings.end_seconds or length, length)
        return cls(float(reader.timeline.pts_seconds[0]), start, end)

    @property
    def container_seconds(self) -> tuple[float | None, float]:
        """Return (start, end) in container time; start is None if the part begins with the file."""
        start = self.zero_seconds + self.start_seconds if self.start_seconds > 0 else None
        return start, self.zero_seconds + self.end_seconds


def survey(
    reader: VideoReader,
    part: VideoPart,
    options: LongOptions,
    *,
    limits: ReadLimits,
    stages: StageTimer,
) -> dict[str, Any]:
    """Find motion and scene changes in a part of a video, if the options need either.

    Returns:
        JSON values: "gate", None without one, and "scenes", the times of the scene changes.
    """
    gate: dict[str, Any] | None = None
    if options.gate is not None:
        with stages.stage("gate"):
            gate = _gate(reader, part, options.gate, limits, stages)
    borders: list[float] = []
    if options.windows.by_scene:
        start, end = part.container_seconds
        with stages.stage("scenes"):
            times = scene_borders(
                reader.info.path, limits=limits, start_seconds=start, end_seconds=end
            )
            borders = [round(each - part.zero_seconds, 4) for each in times]
    return {"gate": gate, "scenes": borders}


def _gate(
    reader: VideoReader,
    part: VideoPart,
    options: GateOptions,
    limits: ReadLimits,
    stages: StageTimer,
) -> dict[str, Any]:
    zero, (start, end) = part.zero_seconds, part.container_seconds
    total = int(part.end_seconds - part.start_seconds)
    curve = MotionCurve(start_seconds=zero + part.start_seconds, bin_seconds=options.slot_seconds)

    def recorded() -> Iterator[Motion]:
        for motion in looks(
            reader.info.path, options=options, limits=limits, start_seconds=start, end_seconds=end
        ):
            stages.report("gate", int(motion.pts_seconds - zero - part.start_seconds), total)
            curve.record(motion)
            yield motion

    spans = list(stream_spans(recorded(), options))
    return {
        "options": asdict(options),
        "num_looks": curve.num_looks,
        "spans": [
            {
                "start_seconds": round(span.start_seconds - zero, 4),
                "end_seconds": round(min(span.end_seconds - zero, part.end_seconds), 4),
                "peak_share": round(span.peak_share, 5),
            }
            for span in spans
        ],
        "motion": {"start_seconds": part.start_seconds, **curve.as_dict()},
    }


class MotionCurve:
    """The largest share of the frame that moved in each time bin. Surplus bins are merged."""

    def __init__(self, *, start_seconds: float, bin_seconds: float) -> None:
        """Create an empty curve.

        Args:
            start_seconds: start of the first bin.
            bin_seconds: initial length of a bin.
        """
        self._start, self._bin_seconds = start_seconds, bin_seconds
        self._shares: list[float] = []
        self.num_looks = 0

    def record(self, motion: Motion) -> None:
        """Add the motion in one frame to the curve."""
        self.num_looks += 1
        while (index := self._index(motion.pts_seconds)) >= _MOST_BINS:
            self._bin_seconds *= 2
            pairs = zip(self._shares[::2], [*self._shares[1::2], 0.0], strict=False)
            self._shares = [max(pair) for pair in pairs]
        self._shares += [0.0] * (index + 1 - len(self._shares))
        self._shares[index] = max(self._shares[index], motion.share)

    def _index(self, pts_seconds: float) -> int:
        return max(0, int((pts_seconds - self._start) / self._bin_seconds))

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary with `bin_seconds`, and `shares` with one value per bin."""
        return {
            "bin_seconds": self._bin_seconds,
            "shares": [round(share, 5) for share in self._shares],
        }


def check_scene_library() -> None:
    """Raise MissingDependencyError if PySceneDetect is not installed."""
    if find_spec("scenedetect") is None:
        raise MissingDependencyError(
            "detecting scene changes requires PySceneDetect", hint='pip install "tam-video[scenes]"'
        )


def scene_borders(
    path: str | Path,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Iterator[float]:
    """Yield the start of every scene except the first, in container time.

    The detector is the adaptive one of PySceneDetect; the frames are decoded here, so that the
    checks of this package apply to the file.

    Args:
        path: a local video file.
        limits: what the file may declare before it is refused.
        start_seconds: start, in container time.
        end_seconds: end, in container time.

    Raises:
        MissingDependencyError: PySceneDetect is not installed.
        InputError: the file cannot be read, or is refused.
    """
    check_scene_library()
    from scenedetect import AdaptiveDetector, FrameTimecode

    detector = AdaptiveDetector(min_scene_len=_SHORTEST_FRAMES)
    times: dict[int, float] = {}
    pictures = all_pictures(
        checked_path(path), side=_SIDE_PX, limits=limits, start_seconds=start_seconds
    )
    for number, (pts_seconds, picture) in enumerate(pictures):
        if end_seconds is not None and pts_seconds >= end_seconds:
            return
        times[number] = pts_seconds
        times.pop(number - _KEPT_TIMES, None)
        for cut in detector.process_frame(FrameTimecode(number, fps=_NOMINAL_FPS), picture):
            yield times[cut.frame_num]
