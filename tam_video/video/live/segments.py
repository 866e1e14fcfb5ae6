"""Segments: files of some seconds that a stream is kept in, with a small JSON beside each.

`2026-11-22T21-04-54.120Z.mp4` begins with a keyframe at that moment (UTC), and its packets are
those of the stream. It gets its name when it is finished, after its JSON: a file of this name is
whole. What a kill leaves behind is called `.*.partial`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tam_video.errors import EncodeError
from tam_video.video.muxing import replacing

if TYPE_CHECKING:
    from av import Packet
    from av.video.stream import VideoStream

_NAME = "%Y-%m-%dT%H-%M-%S"
_SEGMENT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing before a segment.

    Attributes:
        seconds: how much, by the clock on the wall.
        reason: why, in words.
    """

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment.

    Attributes:
        path: the file.
        camera: the name of its camera.
        started: when its first frame arrived, less the shortest delay that was seen.
        duration_seconds: from its first frame to the end of its last one.
        num_frames: pictures in it.
        gap: what is missing before it; None where it goes on from the segment before.
        is_first: whether nothing was recorded before it by this process.
        num_dropped: packets that were thrown away since the segment before.
    """

    path: Path
    camera: str
    started: datetime
    duration_seconds: float
    num_frames: int
    gap: Gap | None = None
    is_first: bool = False
    num_dropped: int = 0

    @property
    def follows(self) -> bool:
        """Whether it begins where the segment before ended."""
        return self.gap is None and not self.is_first


class SegmentWriter:
    """Packets of one picture stream, copied into a file that is not finished yet."""

    def __init__(self, folder: Path, stream: VideoStream) -> None:
        """Begin a file.

        Raises:
            EncodeError: it can't be written, or the container holds no such codec.
        """
        import av

        self._partial = folder / f".{os.getpid()}-{os.urandom(4).hex()}.partial"
        with _write_errors(folder):
            self._output = av.open(str(self._partial), "w", format="mp4")
            try:
                self._stream = self._output.add_stream_from_template(stream)
            except (av.FFmpegError, ValueError, OSError):
                self.abandon()
                raise
        self._base = stream.time_base or Fraction(1, 90_000)
        self._offset: int | None = None
        self._last_dts = 0
        self._last_step = 0
        self._end = 0
        self.num_frames = 0
        self.num_bytes = 0

    @property
    def duration_seconds(self) -> float:
        """Up to the end of the last frame so far."""
        return float((self._end + self._last_step) * self._base)

    def write(self, packet: Packet[VideoStream]) -> None:
        """Copy a packet with a `pts` and a `dts`; the first one is a keyframe.

        Raises:
            EncodeError: it can't be written.
        """
        if packet.pts is None or packet.dts is None:
            raise ValueError("a packet needs its times")
        if self._offset is None:
            self._offset = packet.pts
            self._last_dts = packet.dts - 1
        dts = max(packet.dts, self._last_dts + 1)
        if self.num_frames:
            self._last_step = dts - self._last_dts
        self._last_dts = dts
        pts = max(packet.pts, dts)
        self._end = max(self._end, pts - self._offset)
        self.num_frames += 1
        self.num_bytes += packet.size
        packet.dts, packet.pts = dts - self._offset, pts - self._offset
        packet.duration = packet.duration or self._last_step
        packet.stream = self._stream
        with _write_errors(self._partial.parent):
            self._output.mux_one(packet)

    def finish(
        self, camera: str, started: datetime, *, gap: Gap | None, is_first: bool, num_dropped: int
    ) -> Segment:
        """Close the file and give it its name.

        Raises:
            EncodeError: it can't be written.
        """
        with _write_errors(self._partial.parent):
            self._output.close()
            path = _free_name(self._partial.parent, started)
            segment = Segment(
                path=path,
                camera=camera,
                started=started,
                duration_seconds=self.duration_seconds,
                num_frames=self.num_frames,
                gap=gap,
                is_first=is_first,
                num_dropped=num_dropped,
            )
            with replacing(path.with_suffix(".json")) as beside:
                beside.write_text(json.dumps(_as_json(segment), indent=1) + "\n", encoding="utf-8")
            self._partial.replace(path)
        return segment

    def abandon(self) -> None:
        """Remove what was written."""
        import av

        with suppress(av.FFmpegError, OSError):
            self._output.close()
        self._partial.unlink(missing_ok=True)


def read_segment(path: Path) -> Segment | None:
    """What the JSON beside a file tells; None where the file is no segment of ours."""
    try:
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if told["segment_version"] != _SEGMENT_VERSION or told["file"] != path.name:
            return None
        gap = told["gap_before"]
        return Segment(
            path=path,
            camera=str(told["camera"]),
            started=datetime.fromisoformat(told["started"]),
            duration_seconds=float(told["duration_seconds"]),
            num_frames=int(told["num_frames"]),
            gap=None if gap is None else Gap(float(gap["seconds"]), str(gap["reason"])),
            is_first=bool(told["is_first"]),
            num_dropped=int(told["num_dropped_packets"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def recorded_segments(folder: Path) -> list[Segment]:
    """The finished segments in a folder, the oldest first."""
    found = (read_segment(path) for path in sorted(folder.glob("*.mp4")))
    return [segment for segment in found if segment is not None]


def remove_segment(segment: Segment) -> None:
    """Remove a segment and its JSON, the file first."""
    segment.path.unlink(missing_ok=True)
    segment.path.with_suffix(".json").unlink(missing_ok=True)


def _as_json(segment: Segment) -> dict[str, Any]:
    gap = segment.gap
    return {
        "segment_version": _SEGMENT_VERSION,
        "file": segment.path.name,
        "camera": segment.camera,
        "started": segment.started.isoformat(timespec="milliseconds"),
        "duration_seconds": round(segment.duration_seconds, 6),
        "num_frames": segment.num_frames,
        "is_first": segment.is_first,
        "gap_before": None if gap is None else {"seconds": gap.seconds, "reason": gap.reason},
        "num_dropped_packets": segment.num_dropped,
    }


def _free_name(folder: Path, started: datetime) -> Path:
    """Named by the moment; a name that is taken (a clock that was set back) gets a number."""
    moment = started.astimezone(UTC)
    stem = f"{moment.strftime(_NAME)}.{moment.microsecond // 1000:03d}Z"
    path, number = folder / f"{stem}.mp4", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.mp4"
    return path


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    import av

    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise EncodeError(
            f"can't write a segment into {folder}: {reason}", hint="check space and permissions"
        ) from None
