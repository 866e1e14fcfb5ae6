"""What is watched: files that were given, and segments of cameras as they are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tam_video.batch.clips import find_clips
from tam_video.batch.sources import is_remote
from tam_video.errors import ConfigError, TamVideoError
from tam_video.video.live import Segment, StreamAddress, is_stream, read_segment, stream_address

_NAME_LENGTH = 48


@dataclass(frozen=True, slots=True)
class Footage:
    """A file to watch.

    Attributes:
        path: the file.
        camera: the name of its camera.
        started: when its first frame was taken, where that is known.
        segment: what the recorder told of it; None for a file that was given.
        previous: the file that it goes on from, for what is shown before an event.
    """

    path: Path
    camera: str
    started: datetime | None = None
    segment: Segment | None = None
    previous: Path | None = None

    def moment(self, seconds: float) -> datetime | None:
        """The time of day at some seconds after its first frame, where that is known."""
        return None if self.started is None else self.started + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that is an address.

    Attributes:
        name: for folders and lists.
        address: where it is.
    """

    name: str
    address: StreamAddress


@dataclass(frozen=True, slots=True)
class Cameras:
    """The inputs of a preset.

    Attributes:
        files: what is there already, in the order of the inputs.
        streams: what is followed.
        failed: inputs that are not there: name -> error.
    """

    files: tuple[Footage, ...]
    streams: tuple[Camera, ...]
    failed: dict[str, TamVideoError]


def find_cameras(inputs: Sequence[str], *, rtsp_transport: str = "tcp") -> Cameras:
    """Sort inputs into files and addresses. Nothing is opened.

    Args:
        inputs: files, folders, globs, or addresses of cameras.
        rtsp_transport: "tcp" or "udp".

    Raises:
        ConfigError: an address that is none, or no input is there at all.
    """
    files: dict[str, Footage] = {}
    streams: list[Camera] = []
    failed: dict[str, TamVideoError] = {}
    for text in dict.fromkeys(inputs):
        if is_stream(text):
            address = stream_address(text, rtsp_transport=rtsp_transport)
            taken = {camera.name for camera in streams}
            name = _free_name(plain_name(address.shown.partition("://")[2]), taken)
            streams.append(Camera(name, address))
            continue
        try:
            for each in _files(text):
                files.setdefault(str(each.path), each)
        except TamVideoError as exc:
            failed[text] = exc
    if not files and not streams:
        raise next(iter(failed.values()))
    return Cameras(tuple(files.values()), tuple(streams), failed)


def plain_name(text: str) -> str:
    """Letters, digits, dot, dash and underscore; never empty, never a hidden name."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text)
    return plain.strip("._")[:_NAME_LENGTH] or "camera"


def footage_of(segment: Segment, previous: Segment | None) -> Footage:
    """A recorded segment, and the one it goes on from."""
    goes_on = segment.follows and previous is not None and previous.path.is_file()
    return Footage(
        segment.path,
        segment.camera,
        segment.started,
        segment,
        previous.path if goes_on and previous is not None else None,
    )


def _files(text: str) -> list[Footage]:
    if is_remote(text):
        raise ConfigError(
            f"{text} is neither a file nor the address of a camera",
            hint="files, folders, globs, rtsp://, rtsps://, http://, https://, udp://",
        )
    found = [Path(path).absolute() for _, path in find_clips(text)]
    if not found:
        raise ConfigError(f"{text} holds no videos", hint="give files, folders or globs")
    whole = Path(text.removeprefix("file://"))
    footage = []
    for path in found:
        told = read_segment(path)
        name = told.camera if told else (whole.name if whole.is_dir() else path.stem)
        footage.append(Footage(path, plain_name(name), told.started if told else None))
    return footage


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
