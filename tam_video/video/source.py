"""Compute file fingerprints, and check that a file is the source of an explanation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tam_video.errors import ConfigError, RunFolderError
from tam_video.types import ExplainedInput, Float64Array
from tam_video.video.reader import open_video

SAME_SECONDS = 1e-6
"""Frames of the same video differ in time by this much at most, on any machine."""
COPY_SECONDS = 2e-3
"""Frames of a copy in another container may differ by this much: clocks of 1/1000 s are common."""
_PART_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class CheckedSource:
    """A file that was checked against an explained input.

    Attributes:
        path: the file.
        frame_seconds: float64 [F], the presentation times of all its frames.
        warnings: what was not checked, or differs with permission, in words.
    """

    path: Path
    frame_seconds: Float64Array
    warnings: tuple[str, ...] = ()


def check_source(
    explained: ExplainedInput, video: Path | None = None, *, allow_other: bool = False
) -> CheckedSource:
    """Check that a file is the video that was explained.

    Number of frames, size, the times of the sampled frames, and the fingerprint have to agree. A
    run of version 0.1 has no fingerprint: then the rest is compared, with a warning.

    Args:
        explained: the input.
        video: the file; None for the path that was explained.
        allow_other: accept, with a warning, a file with other content that has the same number of
            frames, size and, up to `COPY_SECONDS`, times: a re-encoded or redacted copy.

    Raises:
        InputError: the file can't be read.
        RunFolderError: it is not the video that was explained.
    """
    path = video or explained.info.path
    with open_video(path) as reader:
        info, times = reader.info, reader.timeline.pts_seconds
    expected = explained.info
    geometry = (info.num_frames, info.width, info.height)
    fits = geometry == (expected.num_frames, expected.width, expected.height)
    if fits:
        shift = float(np.abs(times[explained.indices] - explained.pts_seconds).max())
        fits = shift <= (COPY_SECONDS if allow_other else SAME_SECONDS)
    if not fits:
        raise RunFolderError(
            f"{path} is not the video that was explained: its frames differ in count, size or time",
            hint="pass the original with --video PATH",
        )
    if explained.fingerprint is None:
        warning = (
            f"{path.name}: the run stores no fingerprint, so only the number, size and times of "
            "the frames were compared"
        )
        return CheckedSource(path, times, (warning,))
    if file_fingerprint(path) == explained.fingerprint and shift <= SAME_SECONDS:
        return CheckedSource(path, times)
    if not allow_other:
        raise RunFolderError(
            f"{path} is not the video that was explained: its content differs",
            hint="pass the original with --video PATH, or pass --allow-other-video to use a copy",
        )
    return CheckedSource(path, times, (f"{path.name} is not the file that was explained",))


def check_sources(
    inputs: Sequence[ExplainedInput],
    video: str | Path | Sequence[str | Path] | None = None,
    *,
    allow_other: bool = False,
) -> list[CheckedSource]:
    """Check the source file of every input; see `check_source`."""
    return [
        check_source(explained, path, allow_other=allow_other)
        for explained, path in zip(inputs, moved_videos(video, len(inputs)), strict=True)
    ]


def moved_videos(
    video: str | Path | Sequence[str | Path] | None, num_inputs: int
) -> list[Path | None]:
    """Return the new path of each input, or None for each input if `video` is empty."""
    paths = (video,) if isinstance(video, str | Path) else tuple(video or ())
    if not paths:
        return [None] * num_inputs
    if len(paths) != num_inputs:
        raise ConfigError(f"{len(paths)} videos are given, but there are {num_inputs} inputs")
    return [Path(path) for path in paths]


def file_fingerprint(path: Path) -> str:
    """Return the hex digest of a file's size, first MiB and last MiB."""

    def read(start: int, end: int) -> bytes:
        file.seek(start)
        return file.read(end - start)

    with path.open("rb") as file:
        return fingerprint_of(path.stat().st_size, read)


def fingerprint_of(size: int, read: Callable[[int, int], bytes]) -> str:
    """Return the fingerprint of a file from its size and a function that reads its bytes.

    Args:
        size: its size in bytes.
        read: returns the bytes from a start up to an end.
    """
    digest = hashlib.sha256(str(size).encode())
    digest.update(read(0, min(size, _PART_BYTES)))
    if size > _PART_BYTES:
        digest.update(read(max(_PART_BYTES, size - _PART_BYTES), size))
    return digest.hexdigest()
