"""Recorders of cameras that are addresses: one thread each, with their segments in order."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from types import FrameType
from typing import Any

from tam_video.errors import TamVideoError
from tam_video.pipelines.surveillance.footage import Footage, footage_of
from tam_video.video.live import (
    FollowOptions,
    Segment,
    StreamAddress,
    StreamFollower,
    recorded_segments,
)

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Recorders:
    """Followers of all cameras. A context manager: they record within the context.

    Attributes:
        stop: set to end the recording.
        failed: name of a camera -> why it failed.
    """

    def __init__(
        self, cameras: Mapping[str, StreamAddress], folder: Path, options: FollowOptions
    ) -> None:
        """Create the followers.

        Args:
            cameras: name -> address of the cameras to follow.
            folder: each camera has a folder of its name in it.
            options: how cameras are followed.
        """
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
        """Queue the segments of earlier runs, and start to record."""
        for name in self._followers:
            for segment in recorded_segments(self._folder / name):
                self._segments.put(segment)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop recording; this takes up to the read timeout."""
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def footage(self) -> Iterator[Footage | None]:
        """Yield each finished segment until recording has ended; None if none came for a while."""
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
            yield footage_of(segment, self._last.get(segment.camera))
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
    """Let Ctrl-C and SIGTERM end the recording; a second signal has its usual effect.

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
