"""Cameras that are addresses: each followed by a thread, their segments handed over in order."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from types import FrameType
from typing import Any

from tam_video.errors import TamVideoError
from tam_video.pipelines.surveillance.footage import Camera, Footage, footage_of
from tam_video.video.live import (
    FollowOptions,
    Segment,
    StreamFollower,
    recorded_segments,
)

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Recorders:
    """Followers of all cameras. A context manager: they record within it."""

    def __init__(self, cameras: Sequence[Camera], folder: Path, options: FollowOptions) -> None:
        """Prepare.

        Args:
            cameras: whom to follow.
            folder: each camera has a folder of its name in it.
            options: how.
        """
        self.stop = Event()
        self.failed: dict[str, TamVideoError] = {}
        self._found: Queue[Segment] = Queue()
        self._broken: Exception | None = None
        self._folder = folder
        self._followers = {
            camera.name: StreamFollower(
                camera.address,
                folder / camera.name,
                camera=camera.name,
                options=options,
                took=self._found.put,
                stop=self.stop,
            )
            for camera in cameras
        }
        self._threads = [
            Thread(target=self._run, args=(name,), name=f"record {name}", daemon=True)
            for name in self._followers
        ]
        self._last: dict[str, Segment] = {}

    def __enter__(self) -> Recorders:
        """Begin with what an earlier run has recorded; then record."""
        for name in self._followers:
            for segment in recorded_segments(self._folder / name):
                self._found.put(segment)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop recording; a read time-out later everything has ended."""
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def footage(self) -> Iterator[Footage]:
        """The segments, each once it is finished, until recording has ended and all are told."""
        while True:
            if self._broken is not None:
                raise self._broken
            is_last = not any(thread.is_alive() for thread in self._threads)
            try:
                segment = self._found.get(timeout=_POLL_SECONDS)
            except Empty:
                if is_last:
                    return
                continue
            yield footage_of(segment, self._last.get(segment.camera))
            self._last[segment.camera] = segment

    def statistics(self) -> Mapping[str, Mapping[str, Any]]:
        """What was recorded of each camera, and what is missing, as JSON values."""
        return {name: asdict(each.statistics) for name, each in self._followers.items()}

    def _run(self, name: str) -> None:
        try:
            self._followers[name].run()
        except TamVideoError as exc:
            logger.warning("camera %s has failed: %s", name, exc.message)
            self.failed[name] = exc
        except Exception as exc:  # noqa: BLE001  # raised again where the files are waited for
            self._broken = exc


@contextmanager
def stopping_on_signals(stop: Event) -> Iterator[Event]:
    """Let Ctrl-C and SIGTERM end the recording in order; a second one ends everything.

    Yields:
        Set once a signal has come.
    """
    came = Event()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    before = {each: signal.getsignal(each) for each in _SIGNALS}

    def end(number: int, _: FrameType | None) -> None:
        came.set()
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for each in _SIGNALS:
        signal.signal(each, end)
    try:
        yield came
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
