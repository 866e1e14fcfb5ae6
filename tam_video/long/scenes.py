"""Scene changes of a video, by the adaptive detector of PySceneDetect on small frames.

The frames are decoded here, so that the checks of this package apply to the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tam_video.errors import MissingDependencyError
from tam_video.long.pictures import all_pictures
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, checked_path

_SIDE_PX = 160
_KEPT_TIMES = 256  # a cut is reported some frames late
_NOMINAL_FPS = 25.0  # the detector counts frames; the true times are added here
_SHORTEST_FRAMES = 15


def check_scene_library() -> None:
    """Check that PySceneDetect is installed.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if find_spec("scenedetect") is None:
        raise MissingDependencyError(
            "scene borders need PySceneDetect", hint='pip install "tam-video[scenes]"'
        )


def scene_borders(
    path: str | Path,
    *,
    limits: ReadLimits = DEFAULT_LIMITS,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> Iterator[float]:
    """Yield the time of the first frame of each scene except the first.

    Args:
        path: a local video file.
        limits: what the file may declare before it is refused.
        start_seconds: start, in container time.
        end_seconds: end, in container time.

    Yields:
        Container times in seconds, increasing.

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
