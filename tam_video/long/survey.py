"""The survey of a long video before its windows are planned: motion and scene changes.

Times are seconds from the first frame, unless they are container times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

from tam_video.config import RunConfig
from tam_video.errors import ConfigError
from tam_video.long.curve import MotionCurve
from tam_video.long.gate import GateOptions, Motion, looks, stream_spans
from tam_video.long.scenes import scene_borders
from tam_video.long.windows import LongOptions
from tam_video.stages import StageTimer
from tam_video.video.reader import ReadLimits, VideoReader


@dataclass(frozen=True, slots=True)
class VideoPart:
    """The part of a video that is explained.

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
        """Return the part that the settings select.

        Raises:
            ConfigError: it starts after the end of the video.
        """
        length = reader.info.duration_seconds
        start = settings.start_seconds or 0.0
        if start >= length:
            raise ConfigError(
                f"the video ends at {length:.1f} s, before --start", hint="an earlier --start"
            )
        end = min(settings.end_seconds or length, length)
        return cls(float(reader.timeline.pts_seconds[0]), start, end)

    @property
    def container_seconds(self) -> tuple[float | None, float]:
        """Start and end in container time; None to start with the file."""
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
    """Run the motion gate and the scene detector over a video.

    Args:
        reader: the video.
        part: the part that is explained.
        options: which of the two are needed.
        limits: what the file may declare.
        stages: receives the progress.

    Returns:
        JSON values: "gate", None without one, and "scenes", the times of the scene changes.
    """
    gate: dict[str, Any] | None = None
    if options.gate is not None:
        with stages.stage("gate"):
            gate = _gate(_looks(reader, part, options.gate, limits, stages), part, options.gate)
    borders: list[float] = []
    if options.windows.by_scene:
        start, end = part.container_seconds
        with stages.stage("scenes"):
            times = scene_borders(
                reader.info.path, limits=limits, start_seconds=start, end_seconds=end
            )
            borders = [round(each - part.zero_seconds, 4) for each in times]
    return {"gate": gate, "scenes": borders}


def _gate(motions: Iterator[Motion], part: VideoPart, options: GateOptions) -> dict[str, Any]:
    zero = part.zero_seconds
    curve = MotionCurve(start_seconds=zero + part.start_seconds, bin_seconds=options.slot_seconds)
    spans = list(stream_spans(curve.watched(motions), options))
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


def _looks(
    reader: VideoReader,
    part: VideoPart,
    options: GateOptions,
    limits: ReadLimits,
    stages: StageTimer,
) -> Iterator[Motion]:
    start, end = part.container_seconds
    total = int(part.end_seconds - part.start_seconds)
    for motion in looks(
        reader.info.path, options=options, limits=limits, start_seconds=start, end_seconds=end
    ):
        done = int(motion.pts_seconds - part.zero_seconds - part.start_seconds)
        stages.report("gate", done, total)
        yield motion
