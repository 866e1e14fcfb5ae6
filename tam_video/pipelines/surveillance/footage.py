"""Video files to watch: input files, and segments of cameras as they are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tam_video.batch.sources import is_remote
from tam_video.errors import ConfigError, TamVideoError
from tam_video.pipelines.asking import find_sources
from tam_video.video.live import Segment, StreamAddress, is_stream, read_segment, stream_address

_NAME_LENGTH = 48


@dataclass(frozen=True, slots=True)
class Footage:
    """A file to watch.

    Attributes:
        path: the file.
        camera: name of its camera.
        started: time of day of its first frame, if known.
        segment: segment of the recorder; None for an input file.
        previous: file that the footage continues, for the clip before an event.
    """

    path: Path
    camera: str
    started: datetime | None = None
    segment: Segment | None = None
    previous: Path | None = None

    def moment(self, seconds: float) -> datetime | None:
        """Return the time of day some seconds after the first frame, if known."""
        return None if self.started is None else self.started + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Cameras:
    """Inputs of a preset.

    Attributes:
        files: existing files, in the order of the inputs.
        streams: name of a camera -> address to follow.
        failed: input that does not exist -> error.
    """

    files: tuple[Footage, ...]
    streams: dict[str, StreamAddress]
    failed: dict[str, TamVideoError]


def find_cameras(inputs: Sequence[str], *, rtsp_transport: str = "tcp") -> Cameras:
    """Sort inputs into files and addresses. Nothing is opened.

    Args:
        inputs: files, folders, globs, or addresses of cameras.
        rtsp_transport: "tcp" or "udp".

    Raises:
        ConfigError: an address is not valid, or no input exists.
    """
    files: dict[str, Footage] = {}
    streams: dict[str, StreamAddress] = {}
    failed: dict[str, TamVideoError] = {}
    for text in dict.fromkeys(inputs):
        if is_stream(text):
            address = stream_address(text, rtsp_transport=rtsp_transport)
            stem = name = plain_name(address.shown.partition("://")[2])
            number = 1
            while name in streams:
                number += 1
                name = f"{stem}-{number}"
            streams[name] = address
            continue
        try:
            for each in _files(text):
                files.setdefault(str(each.path), each)
        except TamVideoError as exc:
            failed[text] = exc
    if not files and not streams:
        raise next(iter(failed.values()))
    return Cameras(tuple(files.values()), streams, failed)


def plain_name(text: str) -> str:
    """Return a file name of letters, digits, dots, dashes and underscores; never a hidden one."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text)
    return plain.strip("._")[:_NAME_LENGTH] or "camera"


def footage_of(segment: Segment, previous: Segment | None) -> Footage:
    """Return the footage of a recorded segment.

    Args:
        segment: the segment.
        previous: the segment before it.
    """
    before = previous.path if segment.follows and previous is not None else None
    if before is not None and not before.is_file():
        before = None
    return Footage(segment.path, segment.camera, segment.started, segment, before)


def _files(text: str) -> list[Footage]:
    if is_remote(text):
        raise ConfigError(
            f"{text} is neither a file nor the address of a camera",
            hint="files, folders, globs, rtsp://, rtsps://, http://, https://, udp://",
        )
    folder = Path(text.removeprefix("file://"))
    footage = []
    for path in (Path(source).absolute() for source in find_sources(text)):
        segment = read_segment(path)
        stem = folder.name if folder.is_dir() else path.stem
        name = segment.camera if segment else stem
        footage.append(Footage(path, plain_name(name), segment.started if segment else None))
    return footage
