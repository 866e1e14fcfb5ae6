"""Segments: video files with some seconds of a stream. Each has a JSON file beside it.

`2026-11-22T21-04-54.120Z.mp4` begins with a keyframe at that time (UTC); its packets are copied
from the stream. A segment is renamed to this name when it is complete, after its JSON is written.
An incomplete segment is named `.*.partial`.
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
    """A gap in the recording before a segment.

    Attributes:
        seconds: length of the gap in real time.
        reason: reason of the gap.
    """

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment: a video file that holds some seconds of a camera stream.

    Attributes:
        path: the file.
        camera: name of the camera.
        started: time of arrival of the first frame, corrected by the shortest delay.
        duration_seconds: from the first frame to the end of the last one.
        num_frames: number of frames.
        gap: gap before the segment; None if it continues the previous segment.
        is_first: whether it is the first segment of this process.
        num_dropped: packets dropped since the previous segment.
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
        """Whether the segment continues the previous segment without a gap."""
        return self.gap is None and not self.is_first


class SegmentWriter:
    """Copies the packets of a video stream into an unfinished segment."""

    def __init__(self, folder: Path, stream: VideoStream) -> None:
        """Create the unfinished segment file."""
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
        """The time in seconds from the first frame to the end of the last frame so far."""
        return float((self._end + self._last_step) * self._base)

    def write(self, packet: Packet[VideoStream]) -> None:
        """Copy a packet that has a `pts` and a `dts`; the first packet must be a keyframe."""
        if packet.pts is None or packet.dts is None:
            raise ValueError("a packet needs pts and dts")
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
        """Close the segment file, write its JSON file, and give the segment file its final name."""
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
        """Remove the unfinished file."""
        import av

        with suppress(av.FFmpegError, OSError):
            self._output.close()
        self._partial.unlink(missing_ok=True)


def read_segment(path: Path) -> Segment | None:
    """Read the JSON file beside a video file, or return None if the video is not a segment."""
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if record["segment_version"] != _SEGMENT_VERSION or record["file"] != path.name:
            return None
        gap = record["gap_before"]
        return Segment(
            path=path,
            camera=str(record["camera"]),
            started=datetime.fromisoformat(record["started"]),
            duration_seconds=float(record["duration_seconds"]),
            num_frames=int(record["num_frames"]),
            gap=None if gap is None else Gap(float(gap["seconds"]), str(gap["reason"])),
            is_first=bool(record["is_first"]),
            num_dropped=int(record["num_dropped_packets"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def recorded_segments(folder: Path) -> list[Segment]:
    """Return the finished segments in a folder, the oldest first."""
    segments = (read_segment(path) for path in sorted(folder.glob("*.mp4")))
    return [segment for segment in segments if segment is not None]


def remove_segment(segment: Segment) -> None:
    """Remove a segment, then its JSON file."""
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
    """Return a path named after the start time, with a number added if the file exists."""
    utc = started.astimezone(UTC)
    stem = f"{utc.strftime(_NAME)}.{utc.microsecond // 1000:03d}Z"
    path, number = folder / f"{stem}.mp4", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.mp4"  # sorted after the first one
    return path


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    import av

    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise EncodeError(
            f"can't write a segment into {folder}: {reason}",
            hint="check free disk space and permissions",
        ) from None
