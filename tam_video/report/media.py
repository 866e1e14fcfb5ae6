"""Write the media files of a report: a clip of the explained part, stills, and a thumbnail.

The clip is always re-encoded: it plays in every browser, is small, and contains only the explained
part without the source's metadata (place, device, names). Frames keep their times.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from tam_video.export.arrays import numbered
from tam_video.localise import slot_timeline, word_tracks
from tam_video.render.heat import render_still
from tam_video.stages import StepProgress
from tam_video.types import ByteArray, Explanation
from tam_video.video.reader import DecodedFrame, VideoReader, open_video
from tam_video.video.writer import source_tags, write_video
from tam_video.workspace.files import atomic_write

Source: TypeAlias = Path | VideoReader
"""A file to open, or an open reader, which stays open."""

CLIP_SIDE_PX = 960
CLIP_CRF = 23
PICTURE_SIDE_PX = 1600
STILL_SIDE_PX = 480
THUMB_SIDE_PX = 400
MAX_STILLS = 48
_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Media:
    """What a report shows of one input: a clip, pictures, or nothing.

    Attributes:
        kind: "video": one clip; "stills": one picture for each slot, one for all, or none.
        sources: addresses of the files, relative to the page, or `data:` addresses.
        offset_seconds: presentation time in the source of time 0 of the clip.
        has_audio: whether the clip has sound.
    """

    kind: Literal["video", "stills"]
    sources: tuple[str, ...]
    offset_seconds: float = 0.0
    has_audio: bool = False

    def inlined(self, folder: Path) -> Media:
        """Return the same media with the files embedded as `data:` URIs.

        Raises:
            OSError: a file can't be read.
        """
        return replace(
            self,
            sources=tuple(
                data_uri((folder / name).read_bytes(), _mime_type(name)) for name in self.sources
            ),
        )


NO_MEDIA = Media("stills", ())
"""The media of an input without a picture."""


def write_media(
    explanation: Explanation,
    source: Source,
    folder: Path,
    *,
    index: int = 0,
    progress: StepProgress | None = None,
) -> Media:
    """Write a clip (video) or a still (picture) of each input, with names such as `clip_1.mp4`.

    Args:
        explanation: only its first input is used.
        source: the video or picture.
        folder: output folder.
        index: index of the input, for the file name.
        progress: called with (frames done, frames in all).

    Raises:
        InputError: the source can't be read.
        OutputError: the file can't be written.
    """
    if not explanation.info.is_image:
        path = folder / numbered("clip.mp4", index)
        return _write_clip(explanation, source, path, progress=progress)
    path = folder / numbered("still.jpg", index)
    with _reading(source) as reader:
        picture = scaled(reader.read([0]).frames[0], PICTURE_SIDE_PX)
    atomic_write(path, jpeg(picture))
    return Media("stills", (path.name,))


@contextmanager
def _reading(source: Source) -> Iterator[VideoReader]:
    if isinstance(source, Path):
        with open_video(source) as reader:
            yield reader
    else:
        yield source


def _write_clip(
    explanation: Explanation, source: Source, path: Path, *, progress: StepProgress | None
) -> Media:
    """Encode the frames of all slots. Sound is included only if the slots cover the whole clip."""
    with _reading(source) as reader:
        info, pts = reader.info, reader.timeline.pts_seconds
        shown = np.flatnonzero(slot_timeline(explanation, frame_seconds=pts).frame_slots >= 0)
        start, stop = int(shown[0]), int(shown[-1]) + 1
        is_all = stop - start == len(pts)
        width, height = fitted_size(info.width, info.height, CLIP_SIDE_PX)
        written = write_video(
            path,
            _timed(reader.frames(start, stop), (width, height), stop - start, progress),
            width=width,
            height=height,
            end_seconds=float(pts[0]) + info.duration_seconds if is_all else None,
            average_fps=info.average_fps,
            tags=source_tags(info),
            audio_from=info.path if is_all and info.has_audio else None,
            crf=CLIP_CRF,
        )
        has_audio = is_all and info.has_audio and not written.warnings
    return Media("video", (path.name,), written.shift_seconds, has_audio)


def _timed(
    frames: Iterator[DecodedFrame], size: tuple[int, int], total: int, progress: StepProgress | None
) -> Iterator[tuple[float, ByteArray]]:
    for done, frame in enumerate(frames, 1):
        yield (frame.pts_seconds, _resized(frame.rgb, size))
        if progress is not None:
            progress(done, total)


def slot_stills(explanation: Explanation, source: Path) -> Media:
    """Return a small picture for each slot of the first input, as `data:` URIs.

    Of more than `MAX_STILLS` slots a picture stands for several.

    Raises:
        InputError: the source can't be read.
    """
    slots = explanation.layout.slot_indices(explanation.indices)
    count = min(len(slots), MAX_STILLS)
    firsts = [slots[-(-number * len(slots) // count)][0] for number in range(count)]
    with open_video(source) as reader:
        pictures = [scaled(reader.read([index]).frames[0], STILL_SIDE_PX) for index in firsts]
    return Media("stills", tuple(data_uri(jpeg(each), "image/jpeg") for each in pictures))


def write_thumb(explanation: Explanation, source: Source, path: Path) -> Path:
    """Find the content word and slot with the highest peak, and write that heatmap as a small JPEG.

    Raises:
        InputError: the source can't be read.
        ExportError: the file can't be written.
    """
    peaks = [track.peak for track in word_tracks(explanation)]
    candidates = [
        (peak.value, word.index, peak)
        for word, peak in zip(explanation.words, peaks, strict=True)
        if peak is not None and word.is_content
    ]
    best = max(candidates, key=lambda item: item[:1]) if candidates else None
    slot = best[2].slot if best else 0
    frame = explanation.layout.slot_indices(explanation.indices)[slot][0]
    with _reading(source) as reader:
        picture = scaled(reader.read([frame]).frames[0], THUMB_SIDE_PX)
    if best:
        cells = explanation.word_maps[best[1], slot]
        picture = render_still(picture, cells, view=explanation.layout.view)
    return atomic_write(path, jpeg(picture))


def fitted_size(width: int, height: int, max_side: int) -> tuple[int, int]:
    """Return (width, height), scaled down so that no side is longer than `max_side`.

    Scaled sides are even and at least 2. A size that fits is unchanged, odd sides included: the
    writer repeats the last row or column.
    """
    longer = max(width, height)
    if longer <= max_side:
        return width, height
    return (
        max(2, 2 * round(width * max_side / longer / 2)),
        max(2, 2 * round(height * max_side / longer / 2)),
    )


def scaled(rgb: ByteArray, max_side: int) -> ByteArray:
    """Scale a picture down so that no side is longer than `max_side`. Return uint8 [H, W, 3]."""
    return _resized(rgb, fitted_size(rgb.shape[1], rgb.shape[0], max_side))


def _resized(rgb: ByteArray, size: tuple[int, int]) -> ByteArray:
    import cv2

    if (rgb.shape[1], rgb.shape[0]) == size:
        return rgb
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def jpeg(rgb: ByteArray) -> bytes:
    """Encode a picture, uint8 [H, W, 3], as JPEG without metadata."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return file.getvalue()


def data_uri(data: bytes, mime_type: str) -> str:
    """Encode bytes as a `data:` URI."""
    return f"data:{mime_type};base64,{base64.b64encode(data).decode('ascii')}"


def _mime_type(name: str) -> str:
    return "video/mp4" if name.endswith(".mp4") else "image/jpeg"
