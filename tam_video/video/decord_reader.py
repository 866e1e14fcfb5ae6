"""Frames by decord, checked against what PyAV says of the file.

decord is exact on ordinary MP4 and Matroska files, and wrong or dead on some others: AV1, GIF and
MPEG-TS are refused, AVI with guessed times too. It miscounts after seeks into open groups of
pictures, so it never seeks here: it decodes everything from the start, slow for late frames of long
videos. Where its frame times, its picture size or its first picture disagree with PyAV, PyAV
reads the file instead, and `warnings` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tam_video.errors import MissingDependencyError, VideoDecodeError, VideoOpenError
from tam_video.types import ByteArray, FrameBatch, IntArray
from tam_video.video.av_reader import PyAvReader
from tam_video.video.reader import (
    DEFAULT_LIMITS,
    DecodedFrame,
    ReaderBase,
    ReadLimits,
    checked_indices,
    checked_range,
)

if TYPE_CHECKING:
    from decord import VideoReader as DecordVideo

_REFUSED_CODECS = frozenset({"av1", "gif"})
_REFUSED_FORMATS = frozenset({"mpegts"})
_SAME_PICTURE = 2.0  # mean absolute difference of 8-bit values; readers round differently by 1 or 2
_USE_PYAV = "read it with --reader pyav"


@contextmanager
def decord_errors(path: Path, *, frame_index: int | None = None) -> Iterator[None]:
    """Turn what decord raises into our errors.

    Args:
        path: the file.
        frame_index: the frame being decoded; None while opening.

    Raises:
        VideoOpenError: while opening.
        VideoDecodeError: while decoding.
    """
    from decord import DECORDError

    try:
        yield
    except (DECORDError, RuntimeError, StopIteration) as exc:
        if frame_index is None:
            raise VideoOpenError(f"decord can't open {path.name}", hint=_USE_PYAV) from exc
        raise VideoDecodeError(
            f"decord can't decode frame {frame_index} of {path.name}",
            hint=_USE_PYAV,
            frame_index=frame_index,
        ) from exc


class DecordReader(ReaderBase):
    """The second reader; see `VideoReader` for what it promises."""

    def __init__(self, path: Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        """Open `path` with both libraries and compare what they say of it.

        Args:
            path: an absolute path, as `checked_path` gives it.
            limits: what the file may declare.

        Raises:
            VideoOpenError: decord can't be trusted with this kind of file, or can't open it.
            NoVideoStreamError: no picture stream that can be decoded.
            VideoDecodeError: no frame can be decoded.
            MissingDependencyError: decord is not installed.
        """
        self._path = path
        self._exact = PyAvReader(path, limits=limits)
        self._info, self._timeline = self._exact.info, self._exact.timeline
        self._refuse_known_trouble()
        is_image = self.info.is_image
        doubt = "reads no still pictures" if is_image else self._doubt(_open(path))
        self._falls_back = bool(doubt)
        self._warnings = (f"decord {doubt}: PyAV reads the file instead",) if doubt else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The fallbacks taken so far, in words."""
        return (*self._warnings, *self._exact.warnings)

    def read(self, indices: IntArray | Sequence[int]) -> FrameBatch:
        """The asked frames, in the asked order; see `VideoReader.read`."""
        self._check_open()
        if self._falls_back:
            return self._exact.read(indices)
        asked = checked_indices(indices, num_frames=self.info.num_frames)
        frames = np.empty((len(asked), self.info.height, self.info.width, 3), np.uint8)
        for index, rgb in self._forward(np.unique(asked).tolist()):
            frames[asked == index] = rgb
        pts_seconds = self.timeline.pts_seconds[asked]
        return FrameBatch(frames=frames, indices=asked, pts_seconds=pts_seconds, info=self.info)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[DecodedFrame]:
        """Frames in display order; see `VideoReader.frames`."""
        self._check_open()
        if self._falls_back:
            return self._exact.frames(start, stop)
        return self._sequence(checked_range(start, stop, num_frames=self.info.num_frames))

    def close(self) -> None:
        """Let the file go; nothing can be read afterwards."""
        super().close()
        self._exact.close()

    def _sequence(self, wanted: range) -> Iterator[DecodedFrame]:
        for index, rgb in self._forward(wanted):
            self._check_open()
            yield DecodedFrame(index, float(self.timeline.pts_seconds[index]), rgb)

    def _forward(self, wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        """The frames `wanted` (increasing numbers), from the start of the file, without a seek."""
        video, position = _open(self._path), 0
        for index in wanted:
            with decord_errors(self._path, frame_index=index):
                for _ in range(index - position):
                    video.next()  # not skip_frames, which jumps to keyframes and miscounts
                rgb = cast("ByteArray", video.next().asnumpy())
            position = index + 1
            yield index, rgb

    def _refuse_known_trouble(self) -> None:
        trouble = ""
        if self.info.codec in _REFUSED_CODECS:
            trouble = self.info.codec.upper()
        elif self._exact.format_name in _REFUSED_FORMATS:
            trouble = self._exact.format_name
        elif self._exact.is_counted:
            trouble = "files without reliable frame times"
        if trouble:
            raise VideoOpenError(
                f"{self._path.name}: decord can't be trusted with {trouble}", hint=_USE_PYAV
            )

    def _doubt(self, video: DecordVideo) -> str:
        """Why decord must not read this file, in words; empty if it may."""
        expected = self.timeline.pts_seconds
        if len(video) != len(expected):
            return f"counts {len(video)} frames of {len(expected)}"
        with decord_errors(self._path):
            spans = np.asarray(video.get_frame_timestamp(range(len(video))), np.float64)
        gap = np.diff(expected).min() if len(expected) > 1 else 1.0
        if np.abs(spans[:, 0] - expected).max() > gap / 4:
            return "gives other frame times"
        if self.info.is_mirrored:
            return "ignores that the pictures are mirrored"
        if not self._exact.recipe.is_tagged and self.info.color_space != "bt601":
            return "would decode untagged HD colours as BT.601"
        ours = self._exact.read([0]).frames[0]
        theirs = next(self._forward([0]))[1]
        if ours.shape != theirs.shape:
            return "gives pictures of another size"
        if np.abs(ours.astype(np.int16) - theirs).mean() > _SAME_PICTURE:
            return "gives another first picture"
        return ""


def _open(path: Path) -> DecordVideo:
    decord = _decord()
    decord.logging.set_level(decord.logging.QUIET)
    with decord_errors(path):
        return decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)


def _decord() -> Any:
    try:
        import decord
    except ImportError as exc:
        raise MissingDependencyError(
            "the decord reader needs decord", hint="pip install decord"
        ) from exc
    return decord
