"""Find clips in a folder, by a glob, or in an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path, PurePosixPath

from tam_video.batch.sources import file_system, is_remote, protocol, store_errors
from tam_video.errors import ConfigError

# fmt: off
SUFFIXES = frozenset({
    ".3gp", ".asf", ".avi", ".bmp", ".dcm", ".flv", ".gif", ".h264", ".hevc", ".jpeg", ".jpg",
    ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".obu", ".ogv",
    ".png", ".tif", ".tiff", ".ts", ".vob", ".webm", ".webp", ".wmv", ".y4m",
})
# fmt: on
WILD = frozenset("*?[")


def has_clip_suffix(path: Path) -> bool:
    """Return whether a file has the suffix of a video or of an image."""
    return path.suffix.lower() in SUFFIXES


def find_clips(
    text: str, *, is_clip: Callable[[Path], bool] = has_clip_suffix
) -> list[tuple[str, str]]:
    """Find the clips in a folder, by a glob or at a path; return sorted pairs (name, path).

    Hidden files and links that lead out of the folder are skipped.

    Args:
        text: a path, a glob or an address.
        is_clip: decides about the files of a folder or a glob.

    Raises:
        ConfigError: it does not exist, or contains no clip.
        VideoOpenError: the store can't be read.
    """
    clips = list(_remote_clips(text) if is_remote(text) else _local_clips(text, is_clip))
    if not clips:
        raise ConfigError(
            f"{text} contains no videos or images",
            hint="pass a video, an image, or a folder or glob with videos or images",
        )
    return clips


def _local_clips(text: str, is_clip: Callable[[Path], bool]) -> Iterator[tuple[str, str]]:
    path = Path(text.removeprefix("file://"))
    if path.is_dir():
        paths, base = sorted(path.rglob("*")), path
    elif WILD & set(text) and not path.exists():
        fixed = tuple(takewhile(lambda part: not WILD & set(part), path.parts))
        base = Path(*fixed)
        paths = sorted(base.glob(str(Path(*path.parts[len(fixed) :]))))
    elif path.is_file():
        paths, base = [path], path.parent
    else:
        raise ConfigError(f"{text} does not exist", hint="check the path")
    root = base.resolve()
    for each in paths:
        hidden = any(part.startswith(".") for part in each.relative_to(base).parts)
        # A symbolic link must not lead out of the given folder.
        if hidden or not each.is_file() or not each.resolve().is_relative_to(root):
            continue
        if each == path or is_clip(each):
            yield each.relative_to(base).as_posix(), str(each)


def _remote_clips(text: str) -> Iterator[tuple[str, str]]:
    system, prefix = file_system(text)
    with store_errors(text):
        paths = system.glob(prefix) if WILD & set(prefix) else system.find(prefix)
    scheme = protocol(text)
    base = prefix.rstrip("/")
    for path in sorted(paths):
        if PurePosixPath(path).suffix.lower() in SUFFIXES:
            name = path.removeprefix(f"{base}/") if path.startswith(f"{base}/") else path
            yield name, f"{scheme}://{path}"
