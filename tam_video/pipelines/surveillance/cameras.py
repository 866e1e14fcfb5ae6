"""Inputs of the surveillance pipeline: video files and recorded segments of camera streams."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from types import FrameType
from typing import Any

from tam_video.batch.clips import find_clips
from tam_video.batch.sources import is_remote
from tam_video.errors import ConfigError, TamVideoError
from tam_video.pipelines.clips import numbered
from tam_video.video.live import (
    FollowOptions,
    Segment,
    StreamAddress,
    StreamFollower,
    is_stream,
    read_segment,
    recorded_segments,
    stream_address,
)

logger = logging.getLogger(__name__)

_NAME_LENGTH = 48
_POLL_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Footage:
    """A video file to process, and the name of its camera."""

    path: Path
    camera: str
    started: datetime | None = None  # time of day of the first frame, if known
    segment: Segment | None = None  # of the recorder; None for an input file
    previous: Path | None = None  # file that the footage continues, for the clip before an event

    def moment(self, seconds: float) -> datetime | None:
        """Return the date and time `seconds` after the first frame, or None if unknown."""
        return None if self.started is None else self.started + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Cameras:
    """Inputs of a preset, split into video files and camera streams."""

    files: tuple[Footage, ...]  # in the order of the inputs
    streams: dict[str, StreamAddress]  # by the name of the camera
    failed: dict[str, TamVideoError]  # by the input that does not exist


def find_cameras(inputs: Sequence[str], *, rtsp_transport: str = "tcp") -> Cameras:
    """Find the video files and camera URLs in the inputs without opening any.

    Raises:
        ConfigError: an address is not valid, or no input exists.
    """
    files: dict[str, Footage] = {}
    streams: dict[str, StreamAddress] = {}
    failed: dict[str, TamVideoError] = {}
    for text in dict.fromkeys(inputs):
        if is_stream(text):
            address = stream_address(text, rtsp_transport=rtsp_transport)
            names = numbered(plain_name(address.shown.partition("://")[2]))
            streams[next(name for name in names if name not in streams)] = address
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
    """Convert a text to a file name without special characters and without a dot at the start."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text)
    return plain.strip("._")[:_NAME_LENGTH] or "camera"


def _files(text: str) -> list[Footage]:
    if is_remote(text):
        raise ConfigError(
            f"{text} is neither a file nor a camera URL",
            hint="use a file, folder, glob, or URL: rtsp://, rtsps://, http://, https://, udp://",
        )
    folder = Path(text.removeprefix("file://"))
    footage = []
    for path in (Path(source).absolute() for _, source in find_clips(text)):
        segment = read_segment(path)
        stem = folder.name if folder.is_dir() else path.stem
        name = segment.camera if segment else stem
        footage.append(Footage(path, plain_name(name), segment.started if segment else None))
    return footage


class Recorders:
    """Context manager that records all cameras.

    Attributes:
        stop: set to end the recording.
        failed: name of a camera -> why it failed.
    """

    def __init__(
        self, cameras: Mapping[str, StreamAddress], folder: Path, options: FollowOptions
    ) -> None:
        """Create a recorder for each camera. Its output folder has the name of the camera."""
        self.stop = Event()
        self.failed: dict[str, TamVideoError] = {}
        self._segments: Queue[Segment] = Queue()
        self._error: Exception | None = None
        self._folder = folder
        self._followers = {
            name: StreamFollower(
                address,
                folder / name,
                camera=name,
                options=options,
                on_segment=self._segments.put,
                stop=self.stop,
            )
            for name, address in cameras.items()
        }
        self._threads = [
            Thread(target=self._run, args=(name,), name=f"record {name}", daemon=True)
            for name in self._followers
        ]
        self._last: dict[str, Segment] = {}

    def __enter__(self) -> Recorders:
        """Queue the segments that earlier runs recorded, and start recording."""
        for name in self._followers:
            for segment in recorded_segments(self._folder / name):
                self._segments.put(segment)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop recording. This can take as long as the read timeout."""
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def footage(self) -> Iterator[Footage | None]:
        """Yield each finished segment until recording ends, or None while no segment is ready."""
        while True:
            if self._error is not None:
                raise self._error
            is_last = not any(thread.is_alive() for thread in self._threads)
            try:
                segment = self._segments.get(timeout=_POLL_SECONDS)
            except Empty:
                if is_last:
                    return
                yield None
                continue
            last = self._last.get(segment.camera)
            follows = segment.follows and last is not None and last.path.is_file()
            before = last.path if last and follows else None
            yield Footage(segment.path, segment.camera, segment.started, segment, before)
            self._last[segment.camera] = segment

    def statistics(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the statistics of each camera as JSON values."""
        return {name: asdict(each.statistics) for name, each in self._followers.items()}

    def _run(self, name: str) -> None:
        try:
            self._followers[name].run()
        except TamVideoError as exc:
            logger.warning("camera %s has failed: %s", name, exc.message)
            self.failed[name] = exc
        except Exception as exc:  # noqa: BLE001  # raised again in `footage`
            self._error = exc


@contextmanager
def stopping_on_signals(stop: Event) -> Iterator[Event]:
    """Stop recording on Ctrl-C or SIGTERM. A second signal has its default effect.

    Yields:
        An event that is set after a signal.
    """
    received = Event()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {each: signal.getsignal(each) for each in _SIGNALS}

    def end(number: int, _: FrameType | None) -> None:
        received.set()
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for each in _SIGNALS:
        signal.signal(each, end)
    try:
        yield received
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
