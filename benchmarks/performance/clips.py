"""Clips to measure with: a panned texture with grain, each frame's number drawn into its pixels.

Made once and kept in the folder for temporary files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tam_video.types import ByteArray

WIDTH, HEIGHT, FPS = 1280, 720, 30
_BITS, _BLOCK = 16, 16  # a number is a row of blocks, and its complement below
_GRAIN = 3  # levels either way


def clip_folder() -> Path:
    """Where the clips are kept."""
    folder = Path(tempfile.gettempdir()) / "tam-video-benchmarks"
    folder.mkdir(exist_ok=True)
    return folder


def numbered_clip(*, seconds: int, gop: int) -> Path:
    """A 1280x720 H.264 clip at 30 frames a second, with B-frames as most files have them.

    Args:
        seconds: its length.
        gop: frames from one keyframe to the next, always.

    Returns:
        The clip, from an earlier run where there is one.
    """
    import av

    path = clip_folder() / f"numbered_{seconds}s_gop{gop}.mp4"
    if path.exists():
        return path
    partial = path.with_suffix(".partial.mp4")
    with av.open(str(partial), "w") as written:
        stream = written.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        strict = f"keyint={gop}:min-keyint={gop}:scenecut=0"
        stream.options = {"preset": "veryfast", "crf": "23", "bf": "3", "x264-params": strict}
        stream.codec_context.thread_count = 1
        for planes in _pictures(seconds * FPS):
            written.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        written.mux(stream.encode(None))
    partial.rename(path)
    return path


def read_number(luma_or_rgb: ByteArray) -> int | None:
    """The number in a picture, uint8 [H, W] or [H, W, 3]; None where it can't be read."""
    picture = luma_or_rgb if luma_or_rgb.ndim == 2 else luma_or_rgb[..., 1]
    middle = _BLOCK // 2
    rows = picture[middle : 2 * _BLOCK : _BLOCK, middle : _BITS * _BLOCK : _BLOCK] > 127
    if not (rows[0] != rows[1]).all():
        return None
    return int(rows[0] @ (1 << np.arange(_BITS)))


def _pictures(count: int) -> Iterator[ByteArray]:
    """uint8 [3 H / 2, W]: a view that wanders over a texture, in 4:2:0."""
    import cv2

    random = np.random.default_rng(0)
    luma = _texture(random, 2 * HEIGHT, 2 * WIDTH, mean=120, spread=45)
    colors = [_texture(random, HEIGHT, WIDTH, mean=128, spread=25) for _ in range(2)]
    shape = (HEIGHT, WIDTH)
    grains = [random.integers(-_GRAIN, _GRAIN + 1, shape, dtype=np.int16) for _ in range(8)]
    for number in range(count):
        y = round(HEIGHT / 4 * (1 + np.sin(number / 97)))
        x = round(WIDTH / 4 * (1 + np.sin(number / 131)))
        seen = luma[2 * y : 2 * y + HEIGHT, 2 * x : 2 * x + WIDTH]
        planes = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
        cv2.add(seen, grains[number % 8], dst=planes[:HEIGHT], dtype=cv2.CV_8U)
        small = [each[y : y + HEIGHT // 2, x : x + WIDTH // 2] for each in colors]
        planes[HEIGHT:] = np.stack(small).reshape(HEIGHT // 2, WIDTH)
        _write_number(planes, number)
        yield planes


def _texture(
    random: np.random.Generator, height: int, width: int, *, mean: int, spread: int
) -> ByteArray:
    """uint8 [height, width] with about as much detail at every scale, as in photographs."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    size = np.maximum(np.hypot(down, across), 1 / width)
    wave = np.fft.rfft2(random.standard_normal((height, width))) / size**1.2
    noise = np.fft.irfft2(wave, (height, width))
    levels: ByteArray = np.clip(mean + spread * noise / noise.std(), 16, 235).astype(np.uint8)
    return levels


def _write_number(planes: ByteArray, number: int) -> None:
    bits = (number >> np.arange(_BITS) & 1).astype(bool)
    rows = np.where(np.stack([bits, ~bits]), 235, 16).astype(np.uint8)
    planes[: 2 * _BLOCK, : _BITS * _BLOCK] = rows.repeat(_BLOCK, 0).repeat(_BLOCK, 1)
