"""The times of a source's frames: read from the file where it is at hand, else estimated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tam_video.errors import InputError, MissingDependencyError, RunFolderError
from tam_video.localise import estimated_frame_seconds
from tam_video.types import Explanation, Float64Array, VideoInfo
from tam_video.video.reader import open_video

_SAME_SECONDS = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class FrameTimes:
    """Times of frames.

    Attributes:
        frame_seconds: float64 [F], on the source's clock.
        warnings: where they are from, if not from the file, in words.
    """

    frame_seconds: Float64Array
    warnings: tuple[str, ...] = ()


def source_frame_seconds(explanation: Explanation, video: Path | None = None) -> FrameTimes:
    """When each frame of the explained file is shown.

    Args:
        explanation: its first input is meant.
        video: where the file is now; without it, it is looked for where it was explained.

    Returns:
        The times in the file. Where no `video` is given and the file is gone or another one, the
        estimate of `estimated_frame_seconds` with a warning.

    Raises:
        InputError: `video` can't be read.
        RunFolderError: `video` is not the file that was explained.
    """
    path = video or explanation.info.path
    try:
        with open_video(path) as reader:
            info, times = reader.info, reader.timeline.pts_seconds
    except (InputError, MissingDependencyError):
        if video is not None:
            raise
        reason = "can't be read"
    else:
        if _is_same(explanation, info, times):
            return FrameTimes(times)
        if video is not None:
            raise RunFolderError(
                f"{path} is not the video that was explained: its frames differ",
                hint="pass the original with --video PATH",
            )
        reason = "is another video now"
    return FrameTimes(
        estimated_frame_seconds(explanation),
        (f"{path} {reason}: times of frames that were not sampled are estimated",),
    )


def _is_same(explanation: Explanation, info: VideoInfo, times: Float64Array) -> bool:
    told = explanation.info
    if (info.num_frames, info.width, info.height) != (told.num_frames, told.width, told.height):
        return False
    sampled = times[explanation.indices]
    return bool(np.allclose(sampled, explanation.pts_seconds, rtol=0, atol=_SAME_SECONDS))
