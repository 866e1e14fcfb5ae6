"""Write a short GIF or WebP preview of the annotated clip, for example for a README file.

moviepy composes the title and the clip; the frames are read by `tam_video.video`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tam_video.render.fonts import FontStack
from tam_video.render.text_drawing import write_line
from tam_video.render.text_layout import wrap
from tam_video.render.theme import BACKGROUND, TEXT
from tam_video.types import ByteArray
from tam_video.video.muxing import replacing
from tam_video.video.reader import open_video
from tam_video.workspace.files import wrap_os_errors

if TYPE_CHECKING:
    from PIL.Image import Image

_FPS = 8
_MAX_SECONDS = 8.0  # a longer clip is shown faster
_WIDTH_PX = 480
_TITLE_SECONDS, _FADE_SECONDS = 1.5, 0.375
_READ_AT_ONCE = 8
_MAX_TITLE_LINES = 4
_COLORS = 255


def write_preview(mp4: Path, path: Path, *, title: str, font: str | None = None) -> Path:
    """Write a preview of an annotated clip atomically.

    Args:
        mp4: the annotated clip.
        path: the file to write; its suffix, `.gif` or `.webp`, is the format.
        title: shown before the clip.
        font: font file or name that comes before the shipped ones.

    Raises:
        InputError: the clip can't be read.
        ExportError: the preview can't be written.
    """
    pictures = _composed(_sampled_frames(mp4), title, font)
    kind = path.suffix.removeprefix(".").upper()
    with wrap_os_errors(path), replacing(path) as partial:
        _save(pictures, partial, kind)
    return path


def _sampled_frames(mp4: Path) -> list[ByteArray]:
    """Return scaled-down frames from the whole clip at equal time steps."""
    import cv2

    with open_video(mp4) as reader:
        info, pts = reader.info, reader.timeline.pts_seconds
        seconds = min(_MAX_SECONDS, info.duration_seconds)
        count = max(1, round(seconds * _FPS))
        times = pts[0] + (np.arange(count) + 0.5) * info.duration_seconds / count
        indices = np.maximum(np.searchsorted(pts, times, side="right") - 1, 0)
        width = min(_WIDTH_PX, info.width)
        size = (width, max(1, round(info.height * width / info.width)))
        frames = []
        for start in range(0, count, _READ_AT_ONCE):
            batch = reader.read(indices[start : start + _READ_AT_ONCE])
            frames += [
                np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
                for rgb in batch.frames
            ]
    return frames


def _composed(frames: list[ByteArray], title: str, font: str | None) -> list[ByteArray]:
    """Return the title frames, which fade into the clip, and the frames of the clip."""
    from moviepy import CompositeVideoClip, ImageClip, VideoClip
    from moviepy.video.fx import CrossFadeIn

    def frame_at(seconds: float) -> ByteArray:
        return frames[min(int(seconds * _FPS + 1e-6), len(frames) - 1)]

    height, width = frames[0].shape[:2]
    card = ImageClip(_title_card(title, width, height, font), duration=_TITLE_SECONDS)
    clip = VideoClip(frame_at, duration=len(frames) / _FPS)
    clip = clip.with_start(_TITLE_SECONDS - _FADE_SECONDS)
    whole = CompositeVideoClip([card, clip.with_effects([CrossFadeIn(_FADE_SECONDS)])])
    return list(whole.iter_frames(fps=_FPS, dtype="uint8"))


def _title_card(title: str, width: int, height: int, font: str | None) -> ByteArray:
    from PIL import Image, ImageDraw

    fonts = FontStack(max(11, width // 22), font)
    margin = fonts.size_px
    picture = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    lines = wrap(title, width_px=width - 2 * margin, length=fonts.length)[:_MAX_TITLE_LINES]
    ascent, descent = fonts.base.getmetrics()
    line_px = 1.25 * (ascent + descent)
    baseline = (height - line_px * len(lines)) / 2 + ascent
    for line in lines:
        text = "".join(piece.text for piece in line)
        write_line(draw, text, (width / 2, baseline), fonts=fonts, fill=TEXT, anchor="middle")
        baseline += line_px
    return np.asarray(picture, dtype=np.uint8)


def _save(pictures: list[ByteArray], path: Path, kind: str) -> None:
    from PIL import Image

    images: list[Image.Image] = [Image.fromarray(each) for each in pictures]
    timing = {"save_all": True, "duration": 1000 // _FPS, "loop": 0}
    if kind == "GIF":
        images = _one_palette(images)
        images[0].save(path, "GIF", append_images=images[1:], optimize=True, **timing)
    else:
        images[0].save(path, "WEBP", append_images=images[1:], quality=80, method=4, **timing)


def _one_palette(images: list[Image]) -> list[Image]:
    """Convert all images to one palette, so that unchanged pixels compress well."""
    from PIL import Image

    few = images[:: max(1, len(images) // 6)]
    sheet = Image.new("RGB", (few[0].width, few[0].height * len(few)))
    for index, image in enumerate(few):
        sheet.paste(image, (0, index * image.height))
    palette = sheet.quantize(_COLORS)
    return [image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for image in images]
