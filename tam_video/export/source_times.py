"""Read the frame times of a source file, or estimate them if the file is missing."""

from __future__ import annotations

from pathlib import Path

from tam_video.errors import InputError, MissingDependencyError, RunFolderError
from tam_video.localise import estimated_frame_seconds
from tam_video.types import Explanation
from tam_video.video.source import CheckedSource, check_source


def source_frame_seconds(
    explanation: Explanation, video: Path | None = None, *, allow_other: bool = False
) -> CheckedSource:
    """Return the presentation times of all frames in the first input's source file.

    Args:
        explanation: only its first input is used.
        video: the file if it was moved; None for the path that was explained.
        allow_other: see `check_source`.

    Returns:
        The times in the file. If no `video` is given and the file is missing or another one, the
        estimate of `estimated_frame_seconds` with a warning.

    Raises:
        InputError: `video` can't be read.
        RunFolderError: `video` is not the file that was explained.
    """
    try:
        return check_source(explanation.inputs[0], video, allow_other=allow_other)
    except (InputError, MissingDependencyError):
        if video is not None:
            raise
        reason = "can't be read"
    except RunFolderError:
        if video is not None:
            raise
        reason = "is another video now"
    path = explanation.info.path
    warning = f"{path} {reason}: times of frames that were not sampled are estimated"
    return CheckedSource(path, estimated_frame_seconds(explanation), (warning,))
