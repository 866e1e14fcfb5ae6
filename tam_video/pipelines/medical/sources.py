"""Input files of the medical pipeline. No message contains a file name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tam_video.batch.clips import find_clips, has_clip_suffix
from tam_video.batch.sources import is_remote
from tam_video.errors import ConfigError
from tam_video.video.reader import is_dicom

_MEDIA_INDEX = "DICOMDIR"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to import.

    Attributes:
        name: name in messages: "input-3" is the third of all files.
        path: the file; never shown.
        is_named: whether the preset names this file itself, so that it must contain pixels.
    """

    name: str
    path: Path
    is_named: bool


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """List the files that inputs refer to: DICOM by content, videos and images by suffix.

    Hidden files and links that lead out of their folder are skipped.

    Args:
        inputs: files, folders and globs of the preset.

    Raises:
        ConfigError: an input matches no file.
    """
    paths: dict[Path, bool] = {}
    for number, text in enumerate(inputs, start=1):
        if is_remote(text):
            raise ConfigError(
                f"input {number} is an address", hint="copy the files to this machine first"
            )
        is_named = Path(text).is_file()
        matches = [Path(text)] if is_named else _matches(text)
        if not matches:
            raise ConfigError(
                f"input {number} of the preset matches no DICOM file, video or image",
                hint="check the path; a relative path counts from the folder of the preset",
            )
        for path in matches:
            paths[path.absolute()] = is_named or paths.get(path.absolute(), False)
    return [
        Source(f"input-{number}", path, is_named)
        for number, (path, is_named) in enumerate(paths.items(), 1)
    ]


def _matches(text: str) -> list[Path]:
    try:
        return [Path(path) for _, path in find_clips(text, is_clip=_is_readable)]
    except ConfigError:  # its message contains the path
        return []


def _is_readable(path: Path) -> bool:
    return has_clip_suffix(path) or (path.name != _MEDIA_INDEX and is_dicom(path))
