"""The run folder of an alert: a clip of the event, cut and redacted, and its explanation.

`event.mp4` is cut from the footage and from the file that the footage continues. The explanation is
shifted to that clip, so that the folder is complete and contains no frame without redaction.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tam_video.config import RunConfig
from tam_video.pipelines.surveillance.footage import Footage
from tam_video.pipelines.surveillance.options import AlertOptions, RedactOptions
from tam_video.pipelines.surveillance.redaction import MotionTrack, outline, redact
from tam_video.runs import OUTPUTS, RunExtras, write_run
from tam_video.stages import StageProgress
from tam_video.types import Explanation, VideoInfo
from tam_video.video.reader import open_video
from tam_video.video.source import file_fingerprint
from tam_video.video.writer import TimedFrame, source_tags, write_video
from tam_video.workspace.files import wrap_os_errors

CLIP = "event.mp4"


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive frames of one file in a clip.

    Attributes:
        path: the file.
        start: first frame.
        stop: end of the frames, exclusive.
        shift_seconds: offset from the times of this file to those of the footage of the event.
        track: motion of this file, in its own times.
    """

    path: Path
    start: int
    stop: int
    shift_seconds: float
    track: MotionTrack


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """An event to show; times are those of the footage.

    Attributes:
        footage: footage of the event.
        explanation: explanation of the footage.
        start_seconds: start of the clip; may be before the footage.
        end_seconds: end of the clip.
        track: motion of the footage.
        previous_track: detects the motion of the file that the footage continues.
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
    redaction: RedactOptions,
    progress: StageProgress | None = None,
) -> Path:
    """Write the run folder of an alert; a folder that a killed run left there is replaced.

    Raises:
        TamVideoError: the footage can't be read, or a file can't be written.
    """
    parts = clip_parts(event, needs_track=redaction.motion or alerts.show_motion)
    info = event.explanation.info
    with wrap_os_errors(run_dir):
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix=".event.", dir=run_dir.parent)
    with temporary:
        clip = drawn = Path(temporary.name) / CLIP
        _cut(clip, parts, info, settings, redaction=redaction, outlines=False)
        if alerts.show_motion and settings.render:
            drawn = Path(temporary.name) / "outlined.mp4"
            _cut(drawn, parts, info, settings, redaction=redaction, outlines=True)
        write_run(
            shift_explanation(event, parts, clip, final_path=run_dir / CLIP),
            drawn,
            run_dir,
            settings=settings,
            outputs=OUTPUTS if alerts.report else OUTPUTS - {"report"},
            force=True,
            progress=progress,
            extras=RunExtras(report_sources=(clip,), attached={CLIP: clip}),
        )
    return run_dir


def clip_parts(event: AlertEvent, *, needs_track: bool = True) -> tuple[Part, ...]:
    """Return the frames of the clip, which include all explained frames.

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
    """Return the last seconds of the previous file; None if it is gone or of another size."""
    if not path.is_file():  # removed to free disk space
        return None
    with open_video(path) as reader:
        pts, previous = reader.timeline.pts_seconds, reader.info
    if (previous.width, previous.height) != (info.width, info.height):
        return None
    end = previous.start_seconds + previous.duration_seconds
    start = int(np.searchsorted(pts, end - seconds - 1e-6))
    if start >= len(pts):
        return None
    return Part(path, start, len(pts), info.start_seconds - end, MotionTrack())


def shift_explanation(
    event: AlertEvent, parts: Sequence[Part], clip: Path, *, final_path: Path
) -> Explanation:
    """Return the explanation of the footage with the frame indices and times of the clip.

    Args:
        event: explained event.
        parts: parts of the clip; the last one is of the footage.
        clip: file of the clip.
        final_path: path of the clip in the explanation.

    Raises:
        InputError: the clip can't be read.
    """
    *before, own = parts
    shift = sum(part.stop - part.start for part in before) - own.start
    with open_video(clip) as reader:
        info, pts = reader.info, reader.timeline.pts_seconds
    indices = event.explanation.indices + shift
    shown = replace(
        event.explanation.inputs[0],
        info=replace(info, path=final_path),
        indices=indices,
        pts_seconds=pts[indices],
        fingerprint=file_fingerprint(clip),
    )
    return replace(
        event.explanation,
        inputs=(shown,),
        settings={
            **event.explanation.settings,
            "start_seconds": None,
            "end_seconds": None,
            "footage": event.footage.path.name,
        },
    )


def _cut(
    path: Path,
    parts: Sequence[Part],
    info: VideoInfo,
    settings: RunConfig,
    *,
    redaction: RedactOptions,
    outlines: bool,
) -> None:
    """Encode the frames of a clip with their own times, without sound."""
    write_video(
        path,
        _frames(parts, settings.reader, redaction=redaction, outlines=outlines),
        width=info.width,
        height=info.height,
        average_fps=info.average_fps,
        tags=source_tags(info),
        crf=settings.crf,
        speed_preset=settings.speed_preset,
        encoder=settings.encoder,
    )


def _frames(
    parts: Sequence[Part], reader_name: str, *, redaction: RedactOptions, outlines: bool
) -> Iterator[TimedFrame]:
    for part in parts:
        with open_video(part.path, reader=reader_name) as reader:
            for frame in reader.frames(part.start, part.stop):
                seconds = frame.pts_seconds
                rgb = redact(frame.rgb, seconds, options=redaction, track=part.track)
                if outlines:
                    rgb = outline(rgb, part.track.nearest(seconds))
                yield TimedFrame(seconds + part.shift_seconds, rgb)
