"""The run folder of an alert: a clip around the event, cut and redacted, and its explanation.

`event.mp4` is cut from the footage, with what lies before it in the file that it goes on from. The
explanation is moved onto that clip, so that the folder holds all it needs and no picture that was
not redacted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tam_video.config import RunConfig
from tam_video.export.manifest import new_run_folder
from tam_video.pipelines.surveillance.footage import Footage
from tam_video.pipelines.surveillance.options import AlertOptions, RedactOptions
from tam_video.pipelines.surveillance.redaction import MotionTrack, outlined, redacted
from tam_video.report import write_report
from tam_video.runs import write_run_files
from tam_video.stages import StageProgress
from tam_video.types import ByteArray, Explanation, VideoInfo
from tam_video.video.reader import open_video
from tam_video.video.writer import TimedFrame, read_picture_tags, write_video

CLIP = "event.mp4"


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive frames of one file that become part of a clip.

    Attributes:
        path: the file.
        start: its first frame.
        stop: after its last frame.
        shift_seconds: from the file's own clock to that of the footage of the event.
        track: what moves in that file, by its own clock.
    """

    path: Path
    start: int
    stop: int
    shift_seconds: float
    track: MotionTrack


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """Something that is to be shown.

    Attributes:
        footage: where it was seen.
        explanation: what was said of it, on the footage.
        start_seconds: begin of its clip, by the footage's own clock; may lie before it.
        end_seconds: the end.
        track: what moves in the footage.
        previous_track: makes out what moves in the file that the footage goes on from.
    """

    footage: Footage
    explanation: Explanation
    start_seconds: float
    end_seconds: float
    track: MotionTrack
    previous_track: Callable[[Path], MotionTrack]


def write_event(
    event: AlertEvent,
    run_dir: Path,
    *,
    settings: RunConfig,
    alerts: AlertOptions,
    redact: RedactOptions,
    progress: StageProgress | None = None,
) -> Path:
    """Write the run folder of an alert; one that a killed run left there is replaced.

    Raises:
        TamVideoError: the footage can't be read, or a file can't be written.
    """
    parts = clip_parts(event, needs_track=redact.motion or alerts.show_motion)
    with new_run_folder(run_dir, force=True) as folder:
        clip = folder / CLIP
        _cut(clip, parts, event.explanation.info, settings, redact=redact, outlines=False)
        moved = moved_explanation(event, parts, clip, told_path=run_dir / CLIP)
        with tempfile.TemporaryDirectory(prefix=".outlined.", dir=run_dir.parent) as aside:
            source = clip
            if alerts.show_motion and settings.render:
                source = Path(aside) / CLIP
                _cut(source, parts, event.explanation.info, settings, redact=redact, outlines=True)
            write_run_files(moved, source, folder, settings=settings, progress=progress)
    if alerts.report:
        write_report(run_dir)
    return run_dir


def clip_parts(event: AlertEvent, *, needs_track: bool = True) -> tuple[Part, ...]:
    """The frames of the clip: all that were explained among them.

    Raises:
        InputError: the footage can't be read.
    """
    indices = event.explanation.indices
    with open_video(event.footage.path) as reader:
        pts, info = reader.timeline.pts_seconds, reader.info
    first = int(min(np.searchsorted(pts, event.start_seconds - 1e-6), indices.min()))
    stop = int(max(np.searchsorted(pts, event.end_seconds + 1e-6), indices.max() + 1))
    own = Part(event.footage.path, first, stop, 0.0, event.track)
    missing = float(pts[0]) - event.start_seconds
    if event.footage.previous is None or missing <= 0:
        return (own,)
    before = _part_before(event.footage.previous, info, missing)
    if before is None:
        return (own,)
    if needs_track:
        before = replace(before, track=event.previous_track(before.path))
    return (before, own)


def _part_before(path: Path, info: VideoInfo, seconds: float) -> Part | None:
    """The last seconds of the file before, if it is there and of the same size."""
    if not path.is_file():  # removed meanwhile, to make room
        return None
    with open_video(path) as reader:
        pts, other = reader.timeline.pts_seconds, reader.info
    if (other.width, other.height) != (info.width, info.height):
        return None
    end = other.start_seconds + other.duration_seconds
    start = int(np.searchsorted(pts, end - seconds - 1e-6))
    if start >= len(pts):
        return None
    return Part(path, start, len(pts), info.start_seconds - end, MotionTrack())


def moved_explanation(
    event: AlertEvent, parts: Sequence[Part], clip: Path, *, told_path: Path
) -> Explanation:
    """The explanation on the clip in place of the footage.

    Args:
        event: what was explained.
        parts: what the clip was cut from; the last one is of the footage.
        clip: the file.
        told_path: where it will lie.

    Raises:
        InputError: the clip can't be read.
    """
    *before, own = parts
    shift = sum(part.stop - part.start for part in before) - own.start
    with open_video(clip) as reader:
        info, pts = reader.info, reader.timeline.pts_seconds
    indices = event.explanation.indices + shift
    told = {**event.explanation.settings, "start_seconds": None, "end_seconds": None}
    return replace(
        event.explanation,
        info=replace(info, path=told_path),
        indices=indices,
        pts_seconds=pts[indices],
        settings={**told, "footage": event.footage.path.name},
    )


def _cut(
    path: Path,
    parts: Sequence[Part],
    info: VideoInfo,
    settings: RunConfig,
    *,
    redact: RedactOptions,
    outlines: bool,
) -> None:
    """Encode the frames of a clip, each at its own time, without sound."""
    write_video(
        path,
        _pictures(parts, settings.reader, redact=redact, outlines=outlines),
        width=info.width,
        height=info.height,
        average_fps=info.average_fps,
        tags=read_picture_tags(info.path, rotation_degrees=info.rotation_degrees),
        crf=settings.crf,
        speed_preset=settings.speed_preset,
        encoder=settings.encoder,
    )


def _pictures(
    parts: Sequence[Part], reader_name: str, *, redact: RedactOptions, outlines: bool
) -> Iterator[TimedFrame]:
    for part in parts:
        with open_video(part.path, reader=reader_name) as reader:
            for frame in reader.frames(part.start, part.stop):
                seconds = frame.pts_seconds
                rgb: ByteArray = redacted(frame.rgb, seconds, options=redact, track=part.track)
                if outlines:
                    rgb = outlined(rgb, part.track.nearest(seconds))
                yield TimedFrame(seconds + part.shift_seconds, rgb)
