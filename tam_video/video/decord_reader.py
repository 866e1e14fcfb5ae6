"""A reader based on decord that checks its results against PyAV's.

decord is exact on ordinary MP4 and Matroska files, and wrong or crashing on some others: AV1, GIF
and MPEG-TS are refused, and AVI with estimated times. It miscounts after seeks into open GOPs, so
it is used without seeks: everything is decoded from the start, slow for late frames of long videos.
If its frame times, frame size or first frame differ from PyAV's, PyAV reads the file instead, and
`warnings` reports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tam_video.errors import VideoDecodeError, VideoOpenError, optional_import
from tam_video.types import ByteArray
from tam_video.video.av_reader import PyAvReader
from tam_video.video.reader import DEFAULT_LIMITS, ReadLimits, VideoReader

if TYPE_CHECKING:
    from decord import VideoReader as DecordVideo

_REFUSED_CODECS = frozenset({"av1", "gif"})
_REFUSED_FORMATS = frozenset({"mpegts"})
_MAX_DIFFERENCE = 2.0  # mean absolute, of 8-bit values; readers round differently by 1 or 2
_USE_PYAV = "read it with --reader pyav"


@contextmanager
def decord_errors(path: Path, *, frame_index: int | None = None) -> Iterator[None]:
    """Convert decord's errors into `VideoOpenError`, or `VideoDecodeError` for a given frame."""
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


class DecordReader(VideoReader):
    """The decord reader; see `VideoReader`."""

    def __init__(self, path: Path, *, limits: ReadLimits = DEFAULT_LIMITS) -> None:
        """Open `path` with both libraries and compare their results; see `open_video`."""
        self._path = path
        self._pyav = PyAvReader(path, limits=limits)
        self._info, self._timeline = self._pyav.info, self._pyav.timeline
        self._refuse_unsupported()
        self._falls_back = False
        is_image = self.info.is_image
        reason = "does not read still images" if is_image else self._mismatch(_open(path))
        self._falls_back = bool(reason)
        self._warnings = (f"decord {reason}: PyAV reads the file instead",) if reason else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Messages about the fallbacks taken so far."""
        return (*self._warnings, *self._pyav.warnings)

    def close(self) -> None:
        """Release the file; nothing can be read afterwards."""
        super().close()
        self._pyav.close()

    def _decode(self, wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        return self._pyav._decode(wanted) if self._falls_back else self._forward(wanted)

    def _forward(self, wanted: Sequence[int]) -> Iterator[tuple[int, ByteArray]]:
        """Decode from the start of the file, without a seek."""
        video, position = _open(self._path), 0
        for index in wanted:
            with decord_errors(self._path, frame_index=index):
                for _ in range(index - position):
                    video.next()  # not skip_frames, which jumps to keyframes and miscounts
                rgb = cast("ByteArray", video.next().asnumpy())
            position = index + 1
            yield index, rgb

    def _refuse_unsupported(self) -> None:
        feature = ""
        if self.info.codec in _REFUSED_CODECS:
            feature = self.info.codec.upper()
        elif self._pyav.format_name in _REFUSED_FORMATS:
            feature = self._pyav.format_name
        elif self._pyav.is_counted:
            feature = "files without reliable frame times"
        if feature:
            raise VideoOpenError(
                f"{self._path.name}: decord is not reliable for {feature}", hint=_USE_PYAV
            )

    def _mismatch(self, video: DecordVideo) -> str:
        """Return how decord's result differs from PyAV's, or "" if they agree."""
        expected = self.timeline.pts_seconds
        if len(video) != len(expected):
            return f"counts {len(video)} frames instead of {len(expected)}"
        with decord_errors(self._path):
            spans = np.asarray(video.get_frame_timestamp(range(len(video))), np.float64)
        gap = np.diff(expected).min() if len(expected) > 1 else 1.0
        if np.abs(spans[:, 0] - expected).max() > gap / 4:
            return "gives other frame times"
        if self.info.is_mirrored:
            return "ignores that the frames are mirrored"
        if not self._pyav.recipe.is_tagged and self.info.color_space != "bt601":
            return "would decode untagged HD colours as BT.601"
        ours = self._pyav.read([0]).frames[0]
        theirs = next(self._forward([0]))[1]
        if ours.shape != theirs.shape:
            return "gives another frame size"
        if np.abs(ours.astype(np.int16) - theirs).mean() > _MAX_DIFFERENCE:
            return "gives another first frame"
        return ""


def _open(path: Path) -> DecordVideo:
    decord = _decord()
    decord.logging.set_level(decord.logging.QUIET)
    with decord_errors(path):
        return decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)


def _decord() -> Any:
    with optional_import("the decord reader needs decord", install="decord"):
        import decord
    return decord
