"""Drawing 720p clips: against bare decoding and encoding, and against moviepy.

Bare: decode, encode with the same x264 settings, nothing between. The maps are made up: one warm
spot that moves, for each of eight words.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.performance.clips import HEIGHT, WIDTH, numbered_clip
from benchmarks.performance.explanations import constructed_explanation
from benchmarks.performance.measurement import (
    Measurement,
    best_seconds,
    in_child,
    interleaved,
    median_ratio,
    one_thread,
)
from tam_video.render.annotate import render_annotated
from tam_video.render.options import RenderOptions
from tam_video.types import Explanation, VisualLayout
from tam_video.video.reader import open_video

ANSWER = "eight words take turns while a spot moves"
SLOTS, ROWS, COLUMNS = 16, 14, 24
CRF, PRESET = 18, "veryfast"
_CAPTION_PX = 64


def made_up(path: Path) -> Explanation:
    """Return an explanation of a clip with eight words whose spots move."""
    down, across = np.mgrid[:ROWS, :COLUMNS]
    maps = np.zeros((len(ANSWER.split()), SLOTS, ROWS, COLUMNS), dtype=np.float32)
    for word, slot in np.ndindex(*maps.shape[:2]):
        y, x = ROWS * (0.2 + 0.08 * word), COLUMNS * (0.1 + 0.8 * slot / SLOTS)
        maps[word, slot] = np.exp(-(((down - y) / 2) ** 2 + ((across - x) / 3) ** 2))
    layout = VisualLayout(SLOTS, ROWS, COLUMNS, tuple((k,) for k in range(SLOTS)))
    return constructed_explanation(
        path, ANSWER, maps, layout, is_content=lambda _: True, probability=0.9
    )


def over_transcode(quick: bool) -> Measurement:
    """The default look; beside it the look without a bar, and what the encoder alone costs."""
    one_thread()
    source, target = _clip(quick), Path(tempfile.mkdtemp()) / "bare.mp4"
    explanation, folder = made_up(source), target.parent
    drawn, plain = folder / "drawn", folder / "plain"
    drawn.mkdir()
    plain.mkdir()
    calls: dict[str, Callable[[], object]] = {
        "bare": partial(bare, source, target),
        "render": partial(render_annotated, explanation, source, drawn, options=_look()),
        "render, no bar": partial(
            render_annotated, explanation, source, plain, options=_look(caption=False)
        ),
    }
    for call in calls.values():
        call()
    calls["bare of the drawn clip"] = partial(bare, drawn / "annotated.mp4", target)
    calls["bare of the clip drawn without a bar"] = partial(bare, plain / "annotated.mp4", target)
    clocks = interleaved(calls, repeats=1 if quick else 3, warm_ups=0)
    bares, render, no_bar, same, same_plain = clocks.values()
    return Measurement(
        ratio=median_ratio(bares, render),
        target=0.90,
        sense="at least",
        seconds=best_seconds(clocks),
        how=f"{source.stem} at 1280x720, x264 {PRESET} crf {CRF}, CPU time, opening included; the"
        " other ratios: without the bar, against transcoding the drawn clip itself, and by wall"
        " time on the cores that may be used",
        figures={
            "no bar": median_ratio(bares, no_bar),
            "against the drawn clip's own transcode": median_ratio(same, render),
            "no bar, against its own transcode": median_ratio(same_plain, no_bar),
            "by the clock on the wall": median_ratio(bares, render, by="wall"),
            "by the clock on the wall, no bar": median_ratio(bares, no_bar, by="wall"),
        },
    )


def over_moviepy(quick: bool) -> Measurement:
    """The same overlay by a function for each frame, which is moviepy's fastest form.

    Both make pictures of one size: with the bar below, and without.
    """
    one_thread()
    source, folder = _clip(quick), Path(tempfile.mkdtemp())
    explanation, plain, target = made_up(source), folder / "plain", folder / "moviepy.mp4"
    plain.mkdir()
    drawn = render_annotated(explanation, source, folder, options=_look())
    with open_video(drawn.mp4) as video:
        bar_px = video.info.height - HEIGHT
    bare_look = _look(caption=False)
    calls: dict[str, Callable[[], object]] = {
        "render": partial(render_annotated, explanation, source, folder, options=_look()),
        "moviepy": partial(with_moviepy, explanation, source, target, bar_px=bar_px),
        "render, no bar": partial(render_annotated, explanation, source, plain, options=bare_look),
        "moviepy, text over the picture": partial(with_moviepy, explanation, source, target),
    }
    clocks = interleaved(calls, repeats=1 if quick else 3, warm_ups=0)
    render, moviepy, no_bar, over = clocks.values()
    return Measurement(
        ratio=median_ratio(moviepy, render),
        target=2.0,
        sense="at least",
        seconds=best_seconds(clocks),
        how=f"{source.stem} at 1280x720, x264 {PRESET} crf {CRF}, one thread, CPU time of the"
        " process and of moviepy's ffmpeg; pictures of the same size, one line of text",
        figures={
            "no bar, against text over the picture": median_ratio(over, no_bar),
            "with the bar, against text over the picture": median_ratio(over, render),
        },
    )


def memory(quick: bool) -> Measurement:
    """Peak memory of drawing 60 seconds over that of drawing 10, a fresh process for each."""
    lengths = (4, 8) if quick else (10, 60)
    peaks = {each: in_child("render:draw", seconds=each)["peak_bytes"] for each in lengths}
    short, long = peaks.values()
    return Measurement(
        ratio=long / short,
        target=1.05,
        sense="at most",
        seconds={},
        how="largest resident size of a whole process at 1280x720",
        figures={f"{each} s": peak for each, peak in peaks.items()},
    )


def draw(seconds: int) -> dict[str, Any]:
    """Draw a clip of a length; for a process of its own."""
    one_thread()
    source = numbered_clip(seconds=seconds, gop=30)
    with tempfile.TemporaryDirectory() as folder:
        render_annotated(made_up(source), source, Path(folder), options=_look())
    return {}


def bare(source: Path, target: Path) -> None:
    """Decode and encode as the product does."""
    import av

    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        rate = stream.average_rate or Fraction(25)
        made = written.add_stream("libx264", rate=rate)
        made.width, made.height, made.pix_fmt = stream.width, stream.height, "yuv420p"
        made.options = {"crf": str(CRF), "preset": PRESET, "bf": "0"}
        made.codec_context.thread_type = "FRAME"
        made.codec_context.gop_size = max(12, min(250, round(2 * rate)))
        for frame in read.decode(stream):
            frame.pict_type = av.video.frame.PictureType.NONE
            written.mux(made.encode(frame))
        written.mux(made.encode(None))


def with_moviepy(explanation: Explanation, source: Path, target: Path, *, bar_px: int = 0) -> None:
    """Heat of the nearest slot and one line of text.

    Args:
        explanation: of the clip.
        source: the clip.
        target: the MP4 to write.
        bar_px: height of a bar below the picture; 0 for text over the picture's lower edge.
    """
    import cv2
    from moviepy import VideoFileClip

    clip = VideoFileClip(str(source), audio=False)
    seconds = explanation.layout.slot_seconds(explanation.pts_seconds)

    def drawn(get_frame: Any, moment: float) -> Any:
        picture = get_frame(moment)
        word = min(int(8 * moment / clip.duration), 7)
        cells = explanation.word_maps[word, int(np.abs(seconds - moment).argmin())]
        heat = cv2.resize((255 * cells).astype(np.uint8), (WIDTH, HEIGHT))
        color = cv2.applyColorMap(heat, cv2.COLORMAP_TURBO)[..., ::-1]
        alpha = cv2.merge([heat] * 3)
        color = cv2.multiply(color, alpha, scale=0.6 / 255)
        kept = cv2.multiply(
            picture, cv2.convertScaleAbs(alpha, alpha=-0.6, beta=255), scale=1 / 255
        )
        out = cv2.add(kept, color)
        if bar_px:
            out = cv2.copyMakeBorder(out, 0, bar_px, 0, 0, cv2.BORDER_CONSTANT, value=(18, 18, 18))
        else:
            out[-_CAPTION_PX:] = 18
        cv2.putText(out, ANSWER, (16, len(out) - 22), 0, 1, (255, 255, 255), 2)
        return out

    quality = ["-crf", str(CRF), "-bf", "0"]
    film = clip.transform(drawn)
    film.size = (WIDTH, HEIGHT + bar_px)
    film.write_videofile(
        str(target),
        codec="libx264",
        speed_preset=PRESET,
        threads=1,
        ffmpeg_params=quality,
        logger=None,
    )
    clip.close()


def _clip(quick: bool) -> Path:
    return numbered_clip(seconds=4 if quick else 20, gop=30)


def _look(*, caption: bool = True) -> RenderOptions:
    return RenderOptions(crf=CRF, speed_preset=PRESET, caption=caption)
