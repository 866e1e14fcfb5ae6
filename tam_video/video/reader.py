"""What a reader of videos promises, and the door to the readers.

Owns: the protocol, the timeline, the limits. Knows nothing of any decoding library: the readers are
looked up by name and imported when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import VideoOpenError
from tam_video.registry import Registry
from tam_video.types import ByteArray, Float64Array, FrameBatch, IntArray, VideoInfo
from tam_video.video.planes import Planes, planes_of_rgb

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
    """The shown frames in display order, as the packets tell it.

    Pixels are decoded for it only where the packets can't be trusted.

    Attributes:
        pts_seconds: float64 [N], presentation times as the container has them, increasing.
        is_keyframe: bool [N], frames that decode without any other.
    """

    pts_seconds: Float64Array
    is_keyframe: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.pts_seconds.shape != self.is_keyframe.shape or self.pts_seconds.ndim != 1:
            raise ValueError("pts_seconds and is_keyframe must both be [N]")

    def __len__(self) -> int:
        return len(self.pts_seconds)


@dataclass(frozen=True, slots=True, eq=False)
class DecodedFrame:
    """One frame of a sequential read.

    Attributes:
        index: 0-based frame number in display order.
        pts_seconds: presentation time as the container has it.
        rgb: uint8 [H, W, 3], upright.
    """

    index: int
    pts_seconds: float
    rgb: ByteArray


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPlanes:
    """One frame of a sequential read, as YUV.

    Attributes:
        index: 0-based frame number in display order.
        pts_seconds: presentation time as the container has it.
        planes: 4:2:0, upright, odd sides padded by a repeated edge.
    """

    index: int
    pts_seconds: float
    planes: Planes


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a file may declare before it is refused.

    Attributes:
        max_pixels: width * height of a frame; the default is twice 8K.
        max_frames: frames in the file; the default is about two days at 60 fps.
        max_seconds: length of the file; the default is a week.
    """

    max_pixels: int = 2**26
    max_frames: int = 10_000_000
    max_seconds: float = 7 * 86_400.0


DEFAULT_LIMITS = ReadLimits()
_DICOM_PREAMBLE = 128  # bytes


class VideoReader(Protocol):
    """Frames of one file, by number or in sequence. A context manager.

    Every frame is checked against the timeline before it is handed out: one that does not decode is
    an error, never another frame.
    """

    @property
    def info(self) -> VideoInfo:
        """What is known of the file; `num_frames == len(timeline)`."""

    @property
    def timeline(self) -> Timeline:
        """When each frame is shown."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The fallbacks taken so far, in words."""

    def read(self, indices: IntArray | Sequence[int]) -> FrameBatch:
        """The asked frames, in the asked order; repeats are allowed.

        Args:
            indices: 0-based frame numbers, at least one.

        Returns:
            The frames with their numbers and presentation times.

        Raises:
            IndexError: a number is not in 0..N-1.
            ValueError: no number was given, or the reader is closed.
            VideoDecodeError: a frame can't be decoded.
        """

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[DecodedFrame]:
        """Frames `start` to `stop - 1` in display order; one is held at a time.

        Raises:
            IndexError: not 0 <= start <= stop <= N.
            ValueError: the reader is closed.
            VideoDecodeError: a frame can't be decoded.
        """

    def close(self) -> None:
        """Let the file go; nothing can be read afterwards."""

    def __enter__(self) -> Self:
        """The reader itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Close."""


class ReaderBase:
    """What readers share that hold no file open between two calls: what was found at opening."""

    _info: VideoInfo
    _timeline: Timeline
    _warnings: Sequence[str] = ()
    _is_closed = False

    @property
    def info(self) -> VideoInfo:
        """What is known of the file."""
        return self._info

    @property
    def timeline(self) -> Timeline:
        """When each frame is shown."""
        return self._timeline

    @property
    def warnings(self) -> tuple[str, ...]:
        """The fallbacks taken so far, in words."""
        return tuple(self._warnings)

    def close(self) -> None:
        """Let the file go; nothing can be read afterwards."""
        self._is_closed = True

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        """Close."""
        self.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError("the reader is closed")


@runtime_checkable
class ScalingReader(Protocol):
    """A reader that scales pictures on their way to RGB, so that none is held in full size."""

    def read_scaled(
        self, indices: IntArray | Sequence[int], *, height: int, width: int
    ) -> FrameBatch:
        """As `read`, frames of uint8 [T, height, width, 3], made by a bicubic filter.

        Raises:
            As `read`.
        """


@runtime_checkable
class PlanarReader(Protocol):
    """A reader that also hands out pictures as they are stored, which saves a way through RGB."""

    def planes(self, *, matrix: int) -> Iterator[DecodedPlanes]:
        """All frames in display order.

        Args:
            matrix: number of ITU-T H.273 that the planes shall have.

        Raises:
            ValueError: the reader is closed.
            VideoDecodeError: a frame can't be decoded.
        """


def read_scaled(
    reader: VideoReader, indices: IntArray | Sequence[int], *, height: int, width: int
) -> FrameBatch:
    """Frames of any reader in another size; see `ScalingReader.read_scaled`.

    Frames of a reader that can't scale are read one by one.
    """
    if isinstance(reader, ScalingReader):
        return reader.read_scaled(indices, height=height, width=width)
    import cv2

    asked = checked_indices(indices, num_frames=len(reader.timeline))
    frames = np.empty((len(asked), height, width, 3), dtype=np.uint8)
    for place, index in enumerate(asked.tolist()):
        picture = reader.read([index]).frames[0]
        cv2.resize(picture, (width, height), dst=frames[place], interpolation=cv2.INTER_AREA)
    seconds = reader.timeline.pts_seconds[asked]
    return FrameBatch(frames=frames, indices=asked, pts_seconds=seconds, info=reader.info)


def read_planes(reader: VideoReader, *, matrix: int) -> Iterator[DecodedPlanes]:
    """All frames of any reader as YUV, in display order; see `PlanarReader.planes`."""
    if isinstance(reader, PlanarReader):
        return reader.planes(matrix=matrix)
    return (
        DecodedPlanes(each.index, each.pts_seconds, planes_of_rgb(each.rgb, matrix=matrix))
        for each in reader.frames()
    )


def open_video(
    path: str | Path, *, reader: str = "pyav", limits: ReadLimits = DEFAULT_LIMITS
) -> VideoReader:
    """Open a video file for reading.

    Args:
        path: a local file. Addresses, pipes, devices and playlists are refused.
        reader: name of the reader: "pyav" reads everything, "decord" what it can be trusted with. A
            DICOM file is always read by "dicom".
        limits: what a file may declare before it is refused.

    Raises:
        VideoOpenError: missing, empty, unreadable, not a video, too large, or refused.
        NoVideoStreamError: there is no picture stream that can be decoded.
        VideoDecodeError: the first frame can't be decoded.
        MissingDependencyError: it is DICOM, and pydicom is not installed.
        UnknownNameError: no reader has this name.
    """
    opener = READERS.load(reader)
    place = checked_path(path)
    if is_dicom(place):
        opener = READERS.load("dicom")
    return cast("VideoReader", opener(place, limits=limits))


def is_dicom(path: Path) -> bool:
    """Whether a file begins like DICOM: the preamble and its mark (PS3.10, 7.1)."""
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_PREAMBLE + 4)[_DICOM_PREAMBLE:] == b"DICM"
    except OSError:
        return False  # the reader of videos tells why


def checked_path(path: str | Path) -> Path:
    """`path` as an absolute path of a regular, non-empty file: never an option or an address.

    Raises:
        VideoOpenError: it is not such a file.
    """
    given = Path(path)
    absolute = given.absolute()
    if "\0" in str(path):
        raise VideoOpenError("a file name can't hold a NUL character", hint="check the path")
    if absolute.is_dir():
        raise VideoOpenError(f"{given} is a folder", hint="name one video file in it")
    if not absolute.exists():
        is_address = "://" in str(path)
        hint = "download it first: only local files are read" if is_address else "check the path"
        raise VideoOpenError(f"{path} does not exist", hint=hint)
    if not absolute.is_file():
        raise VideoOpenError(f"{given} is not a regular file", hint="save it to a file first")
    if absolute.stat().st_size == 0:
        raise VideoOpenError(f"{given} is empty", hint="copy or download the file again")
    return absolute


def checked_indices(indices: IntArray | Sequence[int], *, num_frames: int) -> IntArray:
    """int64 [T]: `indices` where all of them exist.

    Raises:
        IndexError: a number is not in 0..N-1.
        ValueError: none was given, or they are not whole numbers.
    """
    asked = np.asarray(indices)
    if asked.ndim != 1 or asked.size == 0:
        raise ValueError("indices must be a non-empty list of frame numbers")
    if not np.issubdtype(asked.dtype, np.integer):
        raise ValueError("frame numbers must be whole numbers")
    if asked.min() < 0 or asked.max() >= num_frames:
        raise IndexError(f"frame numbers must be in 0..{num_frames - 1}")
    return asked.astype(np.int64)


def checked_range(start: int, stop: int | None, *, num_frames: int) -> range:
    """`start` to `stop - 1` where all of these frames exist; None stops at the end.

    Raises:
        IndexError: not 0 <= start <= stop <= N.
    """
    end = num_frames if stop is None else stop
    if not 0 <= start <= end <= num_frames:
        raise IndexError(f"frames {start}..{end} are not within 0..{num_frames}")
    return range(start, end)
