"""Write the run folder of an alert: the redacted clip of the event, and the explanation.

`event.mp4` is cut from the footage and from the file that the footage continues. The explanation is
shifted to that clip, so that the folder is complete and contains no frame without redaction.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tam_video.pipelines.surveillance.cameras import Footage
from tam_video.pipelines.surveillance.options import QuestionOptions, SurveillanceOptions
from tam_video.pipelines.surveillance.redaction import (
    MotionTrack,
    gate_looks,
    motion_track,
    outline,
    redact,
)
from tam_video.runs import OUTPUTS, RunExtras, write_run
from tam_video.types import ByteArray, Explanation, VideoInfo
from tam_video.video.reader import open_video
from tam_video.video.source import file_fingerprint
from tam_video.video.writer import source_tags, write_video
from tam_video.workspace.files import wrap_os_errors

CLIP = "event.mp4"


@dataclass(frozen=True, slots=True)
class Watched:
    """Input for a worker: a question about a time window in a file."""

    footage: Footage
    fingerprint: str  # of the content of the file
    info: VideoInfo
    track: MotionTrack = field(repr=False)  # around the window, in times of the file
    question: QuestionOptions


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a clip: the frames of one file from `start` to `stop` (exclusive)."""

    path: Path
    start: int
    stop: int
    track: MotionTrack  # in times of this file
    shift_seconds: float = 0.0  # from the times of this file to those of the footage


def write_event(
    explanation: Explanation,
    watched: Watched,
    window: tuple[float, float],
    run_dir: Path,
    options: SurveillanceOptions,
) -> None:
    """Write the run folder of an alert. A folder left by a killed run is replaced.

    Args:
        explanation: explanation of the footage.
        watched: the footage.
        window: the explained window, in seconds from the first frame.
        run_dir: the folder to write.
        options: settings of the run, the clip and the redaction.

    Raises:
        TamVideoError: the footage can't be read, or a file can't be written.
    """
    parts = _clip_parts(explanation, watched, window, options)
    with wrap_os_errors(run_dir):
        run_dir.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix=".event.", dir=run_dir.parent)
    with temporary:
        clip = drawn = Path(temporary.name) / CLIP
        _write_clip(clip, parts, watched.info, options)
        if options.alerts.show_motion and options.run.render:
            drawn = Path(temporary.name) / "outlined.mp4"
            _write_clip(drawn, parts, watched.info, options, outlines=True)
        write_run(
            _shifted(explanation, watched, parts, clip, run_dir / CLIP),
            drawn,
            run_dir,
            settings=options.run,
            outputs=OUTPUTS if options.alerts.report else OUTPUTS - {"report"},
            force=True,
            extras=RunExtras(report_sources=(clip,), attached={CLIP: clip}),
        )


def _clip_parts(
    explanation: Explanation,
    watched: Watched,
    window: tuple[float, float],
    options: SurveillanceOptions,
) -> list[_Part]:
    """Return the parts of the clip. The last part contains all explained frames."""
    footage, info, indices = watched.footage, watched.info, explanation.indices
    with open_video(footage.path) as reader:
        pts = reader.timeline.pts_seconds
    start = info.start_seconds + window[0] - options.alerts.before_seconds
    end = info.start_seconds + window[1] + options.alerts.after_seconds
    first = int(min(np.searchsorted(pts, start - 1e-6), indices.min()))
    stop = int(max(np.searchsorted(pts, end + 1e-6), indices.max() + 1))
    parts = [_Part(footage.path, first, stop, watched.track)]
    missing = float(pts[0]) - start
    if footage.previous is not None and missing > 0:
        parts[:0] = _parts_before(footage.previous, info, missing, options)
    return parts


def _parts_before(
    path: Path, info: VideoInfo, seconds: float, options: SurveillanceOptions
) -> Iterator[_Part]:
    """Yield the end of the previous file as a part, if the file exists with the same frame size."""
    if not path.is_file():  # removed to free disk space
        return
    with open_video(path) as reader:
        pts, previous = reader.timeline.pts_seconds, reader.info
    end = previous.start_seconds + previous.duration_seconds
    start = int(np.searchsorted(pts, end - seconds - 1e-6))
    if (previous.width, previous.height) == (info.width, info.height) and start < len(pts):
        needs_track = options.redact.motion or options.alerts.show_motion
        motions = gate_looks(path, options) if needs_track else ()
        track = motion_track(motions, options)
        yield _Part(path, start, len(pts), track, info.start_seconds - end)


def _shifted(
    explanation: Explanation,
    watched: Watched,
    parts: Sequence[_Part],
    clip: Path,
    final_path: Path,
) -> Explanation:
    """Convert the frame indices and times of an explanation from the footage to the clip."""
    *before, own = parts
    shift = sum(part.stop - part.start for part in before) - own.start
    with open_video(clip) as reader:
        info, pts = reader.info, reader.timeline.pts_seconds
    indices = explanation.indices + shift
    shown = replace(
        explanation.inputs[0],
        info=replace(info, path=final_path),
        indices=indices,
        pts_seconds=pts[indices],
        fingerprint=file_fingerprint(clip),
    )
    settings = {"start_seconds": None, "end_seconds": None, "footage": watched.footage.path.name}
    return replace(explanation, inputs=(shown,), settings={**explanation.settings, **settings})


def _write_clip(
    path: Path,
    parts: Sequence[_Part],
    info: VideoInfo,
    options: SurveillanceOptions,
    *,
    outlines: bool = False,
) -> None:
    """Encode the frames of a clip with their original timestamps, without audio."""
    settings = options.run
    write_video(
        path,
        _frames(parts, options, outlines=outlines),
        width=info.width,
        height=info.height,
        average_fps=info.average_fps,
        tags=source_tags(info),
        crf=settings.crf,
        speed_preset=settings.speed_preset,
        encoder=settings.encoder,
    )


def _frames(
    parts: Sequence[_Part], options: SurveillanceOptions, *, outlines: bool
) -> Iterator[tuple[float, ByteArray]]:
    for part in parts:
        with open_video(part.path, reader=options.run.reader) as reader:
            for frame in reader.frames(part.start, part.stop):
                seconds = frame.pts_seconds
                rgb = redact(frame.rgb, seconds, options=options.redact, track=part.track)
                if outlines:
                    rgb = outline(rgb, part.track.nearest(seconds))
                yield (seconds + part.shift_seconds, rgb)
