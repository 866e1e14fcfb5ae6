"""The files that the inputs of a preset stand for; no message names one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tam_video.batch.clips import SUFFIXES, WILD
from tam_video.batch.sources import is_remote
from tam_video.errors import ConfigError
from tam_video.video.reader import is_dicom

_MEDIA_INDEX = "DICOMDIR"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to take in.

    Attributes:
        name: what messages call it: "input-3" is the third of all files.
        path: where it is; never told.
        is_named: the preset names this very file, so that it must hold pictures.
    """

    name: str
    path: Path
    is_named: bool


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """Files, folders and globs as files: DICOM by its mark, videos and pictures by their ending.

    Hidden files are left out, and links that lead out of a folder.

    Args:
        inputs: what the preset names.

    Raises:
        ConfigError: one of them stands for no file.
    """
    found: list[tuple[Path, bool]] = []
    for number, text in enumerate(inputs, start=1):
        if is_remote(text):
            raise ConfigError(
                f"input {number} is an address", hint="copy the files to this machine first"
            )
        path = Path(text)
        if path.is_file():
            found.append((path, True))
            continue
        here = [(each, False) for each in _within(path)]
        if not here:
            raise ConfigError(
                f"input {number} of the preset stands for no DICOM file, video or picture",
                hint="check the path; a relative one counts from the preset's folder",
            )
        found += here
    named = {path.absolute() for path, is_named in found if is_named}
    unique = dict.fromkeys(path.absolute() for path, _ in found)
    return [Source(f"input-{number}", path, path in named) for number, path in enumerate(unique, 1)]


def _within(path: Path) -> Iterator[Path]:
    """What can be read in a folder, or fits a glob."""
    if path.is_dir():
        base, paths = path, sorted(path.rglob("*"))
    elif WILD & set(str(path)):
        first = next(n for n, part in enumerate(path.parts) if WILD & set(part))
        base = Path(*path.parts[:first])
        paths = sorted(base.glob(str(Path(*path.parts[first:]))))
    else:
        return
    home = base.resolve()
    for each in paths:
        hidden = any(part.startswith(".") for part in each.relative_to(base).parts)
        if hidden or not each.is_file() or not each.resolve().is_relative_to(home):
            continue
        if each.suffix.lower() in SUFFIXES or (each.name != _MEDIA_INDEX and is_dicom(each)):
            yield each
