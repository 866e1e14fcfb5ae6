"""Base class of video readers, and `open_video`, which opens a file with a suitable reader.

Owns: the base class, the timeline, the limits, the checks of paths and frame numbers. Imports no
decoding library: the readers are looked up by name and imported when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import VideoOpenError
from tam_video.registry import Registry
from tam_video.types import ByteArray, Float64Array, FrameBatch, IntArray, VideoInfo
from tam_video.video.planes import Planes, planes_of_rgb

T = TypeVar("T")
Decode: TypeAlias = Callable[[Sequence[int]], Iterator[tuple[int, ByteArray]]]

READERS = Registry(
    kind="reader",
    targets={
        "pyav": "tam_video.video.av_reader:PyAvReader",
        "decord": "tam_video.video.decord_reader:DecordReader",
        "dicom": "tam_video.dicom.reader:DicomReader",
    },
    group="tam_video.readers",
)


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Times and keyframe flags of the displayed frames, in display order.

    Frames are decoded for it only if the packets' times are unreliable.

    Attributes:
        pts_seconds: float64 [N], presentation times as stored in the container, increasing.
        is_keyframe: bool [N], frames that reference no other frame.
    """

    pts_seconds: Float64Array
    is_keyframe: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.pts_seconds.shape != self.is_keyframe.shape or self.pts_seconds.ndim != 1:
            raise ValueError("'pts_seconds' and 'is_keyframe' must both be [N]")

    def __len__(self) -> int:
        return len(self.pts_seconds)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrame:
    """One frame from a sequential read, as RGB.

    Attributes:
        index: 0-based frame number in display order.
        pts_seconds: presentation time as stored in the container.
        rgb: uint8 [H, W, 3], upright.
    """

    index: int
    pts_seconds: float
    rgb: ByteArray


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPlanes:
    """One frame from a sequential read, as YUV planes.

    Attributes:
        index: 0-based frame number in display order.
        pts_seconds: presentation time as stored in the container.
        planes: 4:2:0, upright, odd sides padded by a repeated edge.
    """

    index: int
    pts_seconds: float
    planes: Planes


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Limits on the sizes that a file may declare; larger files are rejected.

    Attributes:
        max_pixels: width * height of a frame; the default is twice 8K.
        max_frames: frames in the file; the default is about two days at 60 fps.
        max_seconds: length of the file; the default is a week.
    """

    max_pixels: int = 2**26
    max_frames: int = 10_000_000
    max_seconds: float = 7 * 86_400.0

    def check(self, name: str, width: int, height: int, num_frames: int) -> None:
        """Check the declared size of a file before memory is allocated."""
        if width * height > self.max_pixels:
            raise VideoOpenError(
                f"{name} declares {width}x{height} pixels",
                hint=f"the limit is {self.max_pixels} pixels per frame",
            )
        if num_frames > self.max_frames:
            raise VideoOpenError(
                f"{name} declares {num_frames} frames",
                hint=f"the limit is {self.max_frames} frames; cut the video first",
            )


DEFAULT_LIMITS = ReadLimits()
_DICOM_PREAMBLE = 128  # bytes


class VideoReader:
    """A context manager that reads the frames of one file by number or in sequence.

    A reader sets `_info` and `_timeline` when it opens the file and defines `_decode`. It keeps no
    file open between two calls. Every frame is checked against the timeline before it is returned:
    one that can't be decoded is an error, never replaced by another frame.
    """

    _info: VideoInfo
    _timeline: Timeline
    _warnings: Sequence[str] = ()
    _is_closed = False

    @property
    def info(self) -> VideoInfo:
        """Properties of the file; `num_frames == len(timeline)`."""
        return self._info

    @property
    def timeline(self) -> Timeline:
        """Presentation times and keyframe flags of all frames."""
        return self._timeline

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages about the fallbacks taken so far."""
        return tuple(self._warnings)

    def read(self, indices: IntArray | Sequence[int]) -> FrameBatch:
        """Read frames by number, in the given order; repeats are allowed.

        Args:
            indices: 0-based frame numbers, at least one.

        Returns:
            The frames with their numbers and presentation times.

        Raises:
            IndexError: a number is not in 0..N-1.
            ValueError: `indices` is empty, or the reader is closed.
            VideoDecodeError: a frame can't be decoded.
        """
        return self._batch(indices, self._decode, height=self._info.height, width=self._info.width)

    def read_scaled(
        self, indices: IntArray | Sequence[int], *, height: int, width: int
    ) -> FrameBatch:
        """Read frames like `read`, but scale each frame: uint8 [T, height, width, 3]."""
        import cv2

        def decode(wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
            for index, rgb in self._decode(wanted):
                small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
                yield index, cast("ByteArray", small)

        return self._batch(indices, decode, height=height, width=width)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[DecodedFrame]:
        """Iterate over frames `start` to `stop - 1`. Only one frame is in memory at a time."""
        self._check_open()
        wanted = checked_range(start, stop, num_frames=self._info.num_frames)
        return (
            DecodedFrame(index, float(self._timeline.pts_seconds[index]), rgb)
            for index, rgb in self._while_open(self._decode(wanted))
        )

    def planes(self, *, matrix: int) -> Iterator[DecodedPlanes]:
        """Iterate over all frames as 4:2:0 YUV; `matrix` is an ITU-T H.273 colour matrix number."""
        return (
            DecodedPlanes(each.index, each.pts_seconds, planes_of_rgb(each.rgb, matrix=matrix))
            for each in self.frames()
        )

    def close(self) -> None:
        """Release the file; nothing can be read afterwards."""
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _decode(self, wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        """Yield the number and uint8 [H, W, 3] pixels of each frame in `wanted`, in order."""
        raise NotImplementedError

    def _batch(
        self, indices: IntArray | Sequence[int], decode: Decode, *, height: int, width: int
    ) -> FrameBatch:
        self._check_open()
        requested = checked_indices(indices, num_frames=self._info.num_frames)
        frames = np.empty((len(requested), height, width, 3), np.uint8)
        for index, rgb in decode(np.unique(requested).tolist()):
            for position in np.flatnonzero(requested == index):
                frames[position] = rgb
        return FrameBatch(frames, requested, self._timeline.pts_seconds[requested], self._info)

    def _while_open(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
            self._check_open()
            yield item

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError("the reader is closed")


def open_video(
    path: str | Path, *, reader: str = "pyav", limits: ReadLimits = DEFAULT_LIMITS
) -> VideoReader:
    """Open a video file for reading.

    Args:
        path: a local file. Addresses, pipes, devices and playlists are refused.
        reader: name of the reader: "pyav" reads everything, "decord" the formats that it decodes
            correctly. A DICOM file is always read by "dicom".
        limits: limits on what the file may declare.

    Raises:
        VideoOpenError: missing, empty, unreadable, not a video, too large, or refused.
        NoVideoStreamError: there is no video stream that can be decoded.
        VideoDecodeError: the first frame can't be decoded.
        MissingDependencyError: it is DICOM, and pydicom is not installed.
        UnknownNameError: there is no reader of this name.
    """
    opener = READERS.load(reader)
    absolute = checked_path(path)
    if is_dicom(absolute):
        opener = READERS.load("dicom")
    return cast("VideoReader", opener(absolute, limits=limits))


def is_dicom(path: Path) -> bool:
    """Return whether a file starts with the DICOM preamble and prefix (PS3.10, 7.1)."""
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_PREAMBLE + 4)[_DICOM_PREAMBLE:] == b"DICM"
    except OSError:
        return False  # the video reader reports the error


def checked_path(path: str | Path) -> Path:
    """Return the absolute path of a regular, non-empty file; URLs are rejected."""
    source = Path(path)
    absolute = source.absolute()
    if "\0" in str(path):
        raise VideoOpenError("a file name can't hold a NUL character", hint="check the path")
    if absolute.is_dir():
        raise VideoOpenError(f"{source} is a folder", hint="pass the path of one video file")
    if not absolute.exists():
        is_address = "://" in str(path)
        hint = "download it first: only local files are read" if is_address else "check the path"
        raise VideoOpenError(f"{path} does not exist", hint=hint)
    if not absolute.is_file():
        raise VideoOpenError(
            f"{source} is not a regular file", hint="save the video to a file first"
        )
    if absolute.stat().st_size == 0:
        raise VideoOpenError(f"{source} is empty", hint="copy or download the file again")
    return absolute


def checked_indices(indices: IntArray | Sequence[int], *, num_frames: int) -> IntArray:
    """Check that all frames in `indices` exist, and return `indices` as int64 [T]."""
    requested = np.asarray(indices)
    if requested.ndim != 1 or requested.size == 0:
        raise ValueError("indices must be a non-empty list of frame numbers")
    if not np.issubdtype(requested.dtype, np.integer):
        raise ValueError("frame numbers must be integers")
    if requested.min() < 0 or requested.max() >= num_frames:
        raise IndexError(f"frame numbers must be in 0..{num_frames - 1}")
    return requested.astype(np.int64)


def checked_range(start: int, stop: int | None, *, num_frames: int) -> range:
    """Check and return a range of frame numbers. Without `stop`, it ends at the last frame."""
    end = num_frames if stop is None else stop
    if not 0 <= start <= end <= num_frames:
        raise IndexError(f"frames {start}..{end} are not within 0..{num_frames}")
    return range(start, end)
