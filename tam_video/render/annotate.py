"""The annotated clip or picture: read, blend, caption, encode, in one pass and with flat memory.

Owns the order of things and the options. What is shown when is decided in `turns`, how it looks in
`overlay` and `captions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tam_video.errors import ConfigError, ExportError, UnknownNameError
from tam_video.render.captions import CaptionBar, caption_bar, with_bar
from tam_video.render.overlay import (
    COLORMAPS,
    TimeWindow,
    blend,
    explained_window,
    map_at,
    mark_unseen,
    upsample,
)
from tam_video.render.subtitles import Cue, write_vtt
from tam_video.render.turns import (
    Subject,
    find_word,
    group_words,
    share_frames,
    shown_words,
    token_subject,
    words_subject,
)
from tam_video.types import ByteArray, Explanation, Float64Array, VideoInfo, View
from tam_video.video.writer import PRESETS, TimedFrame, read_picture_tags, write_video

if TYPE_CHECKING:
    from tam_video.video.reader import VideoReader

Progress = Callable[[int, int], None]

_MODES = ("auto", "words", "single")
_MIN_SHARE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """How the annotated clip looks.

    Attributes:
        colormap: turbo, inferno, cividis, viridis or jet.
        opacity: share of colour where the map is 1, in [0, 1].
        token: show this one of the M text tokens for the whole clip.
        word: show this word (index or text) for the whole clip.
        mode: "auto": one word or token if one is chosen, else the content words take turns over one
            pass of the clip; "words": one whole pass of the clip per content word, without sound;
            "single": the chosen word or token only.
        crf: x264 quality, 0 to 51.
        preset: x264 speed preset.
        font: font file or name that comes before the shipped ones.
        reader: name of the video reader.
        caption: whether the bar under the picture is drawn.
    """

    colormap: str = "turbo"
    opacity: float = 0.6
    token: int | None = None
    word: int | str | None = None
    mode: Literal["auto", "words", "single"] = "auto"
    crf: int = 18
    preset: str = "veryfast"
    font: str | None = None
    reader: str = "pyav"
    caption: bool = True

    def __post_init__(self) -> None:
        if self.colormap not in COLORMAPS:
            raise UnknownNameError("colormap", self.colormap, COLORMAPS)
        if self.preset not in PRESETS:
            raise UnknownNameError("preset", self.preset, PRESETS)
        if self.mode not in _MODES:
            raise UnknownNameError("mode", self.mode, _MODES)
        if not 0 <= self.opacity <= 1:
            raise ConfigError(f"opacity {self.opacity} is not in 0..1", hint="try 0.6")
        if not 0 <= self.crf <= 51:
            raise ConfigError(f"crf {self.crf} is not in 0..51", hint="18 looks like the source")
        chosen = (self.token is not None) + (self.word is not None)
        if chosen > 1:
            raise ConfigError("a token and a word were chosen", hint="choose one of them")
        if self.mode == "single" and not chosen:
            raise ConfigError("mode 'single' needs a token or a word", hint="give one of them")
        if self.mode == "words" and chosen:
            raise ConfigError("mode 'words' shows every word", hint="leave the token or word out")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the annotated clip.

    Attributes:
        start_seconds: start in the annotated clip.
        end_seconds: end in the annotated clip.
        text: what is shown.
        word_indices: the words, several only where the clip has fewer frames than the answer words.
        token_index: the token, None for words.
    """

    start_seconds: float
    end_seconds: float
    text: str
    word_indices: tuple[int, ...] = ()
    token_index: int | None = None


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """What was written.

    Attributes:
        mp4: the annotated clip.
        vtt: its captions.
        segments: what is shown when.
        warnings: fallbacks that were taken, in words.
        png: the annotated still of a picture; None for a clip.
    """

    mp4: Path
    vtt: Path
    segments: tuple[Segment, ...]
    warnings: tuple[str, ...] = ()
    png: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """The source's clock: N frames from the first pts to the end of the last frame."""

    pts_seconds: Float64Array
    end_seconds: float

    @property
    def start_seconds(self) -> float:
        return float(self.pts_seconds[0])

    def edge_seconds(self, frame: int) -> float:
        """When a frame starts; for N, when the clip ends."""
        ends = frame == len(self.pts_seconds)
        return self.end_seconds if ends else float(self.pts_seconds[frame])


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    """What the frames [start, stop) show."""

    subject: Subject
    start: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class _Pass:
    """The whole clip once, `offset_seconds` later than in the source, turn after turn."""

    turns: tuple[_Turn, ...]
    offset_seconds: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Painter:
    """Draws one frame."""

    slot_seconds: Float64Array
    window: TimeWindow
    view: View
    bar: CaptionBar | None
    options: RenderOptions

    def paint(self, rgb: ByteArray, subject: Subject, *, seconds: float) -> ByteArray:
        """Heat over the part that the model saw, while it saw it, then the bar.

        Args:
            rgb: uint8 [H, W, 3].
            subject: what is shown.
            seconds: the frame's time on the source's clock.

        Returns:
            uint8 [H', W', 3], the canvas.
        """
        rgb = mark_unseen(rgb, self.view)
        if subject.maps is not None and seconds in self.window:
            cells = map_at(subject.maps, self.slot_seconds, seconds)
            heat = upsample(cells, width=rgb.shape[1], height=rgb.shape[0], view=self.view)
            look = self.options
            rgb = blend(rgb, heat, colormap=look.colormap, opacity=look.opacity)
        return rgb if self.bar is None else with_bar(rgb, self.bar.image(subject.spans))

    def canvas_size(self, info: VideoInfo) -> tuple[int, int]:
        """(width, height) in pixels of what `paint` gives for the video."""
        if self.bar is None:
            return info.width, info.height
        layout = self.bar.layout
        return layout.width_px, info.height + layout.height_px


def _chosen_subject(explanation: Explanation, options: RenderOptions) -> Subject | None:
    if options.token is not None:
        return token_subject(explanation, options.token)
    if options.word is not None:
        return words_subject(explanation, [find_word(explanation, options.word)])
    return None


def _plan(explanation: Explanation, options: RenderOptions, clip: _Clip) -> tuple[_Pass, ...]:
    """Who is shown on which frames of which pass."""
    total = len(clip.pts_seconds)
    words = shown_words(explanation)
    chosen = _chosen_subject(explanation, options)
    if chosen is None and not words:
        chosen = Subject(text="", maps=None)
    if chosen is not None:
        return (_Pass((_Turn(chosen, 0, total),)),)
    if options.mode == "words":
        length = clip.end_seconds - clip.start_seconds
        return tuple(
            _Pass((_Turn(words_subject(explanation, [word]), 0, total),), place * length)
            for place, word in enumerate(words)
        )
    groups = group_words(words, total)
    bounds = share_frames(clip.pts_seconds, end_seconds=clip.end_seconds, parts=len(groups))
    return (
        _Pass(
            tuple(
                _Turn(words_subject(explanation, group), start, stop)
                for group, start, stop in zip(groups, bounds, bounds[1:], strict=False)
            )
        ),
    )


def _segments(
    passes: tuple[_Pass, ...], clip: _Clip, *, shift_seconds: float
) -> tuple[Segment, ...]:
    return tuple(
        Segment(
            start_seconds=clip.edge_seconds(turn.start) + each.offset_seconds - shift_seconds,
            end_seconds=clip.edge_seconds(turn.stop) + each.offset_seconds - shift_seconds,
            text=turn.subject.text,
            word_indices=turn.subject.word_indices,
            token_index=turn.subject.token_index,
        )
        for each in passes
        for turn in each.turns
    )


def _painted(
    reader: VideoReader,
    passes: tuple[_Pass, ...],
    painter: _Painter,
    *,
    progress: Progress | None,
) -> Iterator[TimedFrame]:
    """Decode and paint frame by frame."""
    total = sum(turn.stop - turn.start for each in passes for turn in each.turns)
    done = 0
    for each in passes:
        frames = reader.frames()
        for turn in each.turns:
            for frame in islice(frames, turn.stop - turn.start):
                rgb = painter.paint(frame.rgb, turn.subject, seconds=frame.pts_seconds)
                yield TimedFrame(frame.pts_seconds + each.offset_seconds, rgb)
                done += 1
                if progress is not None:
                    progress(done, total)


def _warnings(segments: tuple[Segment, ...]) -> tuple[str, ...]:
    """What a viewer would miss."""
    if len(segments) == 1:
        return ()
    shortest = min(each.end_seconds - each.start_seconds for each in segments)
    warnings = []
    if max(len(each.word_indices) for each in segments) > 1:
        warnings.append("fewer frames than words: some words share a frame")
    if shortest < _MIN_SHARE_SECONDS:
        warnings.append(f"words are shown for {shortest:.2f} s only: mode 'words' is slower")
    return tuple(warnings)


def render_annotated(
    explanation: Explanation,
    video_path: Path,
    out_dir: Path,
    *,
    options: RenderOptions | None = None,
    progress: Progress | None = None,
) -> RenderedFiles:
    """Write `annotated.mp4` and `captions.vtt`, and for a still picture `annotated.png`.

    One pass of the clip (modes "auto" and "single") keeps the source's frames, times, size, colours
    and sound; the bar is added below. The clip is read frame by frame, so memory does not grow with
    it.

    Args:
        explanation: what was seen; its clock is the video's.
        video_path: the source video.
        out_dir: an existing folder.
        options: how it looks; `RenderOptions()` by default.
        progress: called with (frames done, frames in all) after each frame.

    Returns:
        The files and what they show when.

    Raises:
        ConfigError: the chosen word, token or font does not exist.
        InputError: the video can't be read.
        EncodeError: the MP4 can't be written.
        ExportError: the captions or the still can't be written.
    """
    from tam_video.video.reader import open_video

    look = options or RenderOptions()
    with open_video(video_path, reader=look.reader) as reader:
        info = reader.info
        pts = reader.timeline.pts_seconds
        clip = _Clip(pts, end_seconds=float(pts[0]) + info.duration_seconds)
        passes = _plan(explanation, look, clip)
        painter = _painter(explanation, look, clip=clip, info=info)
        width, height = painter.canvas_size(info)
        whole = passes[-1].offset_seconds + clip.end_seconds
        written = write_video(
            out_dir / "annotated.mp4",
            _painted(reader, passes, painter, progress=progress),
            width=width,
            height=height,
            end_seconds=whole,
            average_fps=info.average_fps,
            tags=read_picture_tags(video_path, rotation_degrees=info.rotation_degrees),
            audio_from=video_path if info.has_audio and len(passes) == 1 else None,
            crf=look.crf,
            preset=look.preset,
        )
        png = None
        if info.is_image:
            subject = _still_subject(explanation, look)
            first = next(iter(reader.frames()))
            still = painter.paint(first.rgb, subject, seconds=first.pts_seconds)
            png = _write_png(out_dir / "annotated.png", still)
    segments = _segments(passes, clip, shift_seconds=written.shift_seconds)
    cues = (Cue(each.start_seconds, each.end_seconds, each.text) for each in segments)
    vtt = write_vtt(out_dir / "captions.vtt", cues)
    warnings = (*written.warnings, *_warnings(segments))
    return RenderedFiles(written.path, vtt, segments, warnings, png)


def _still_subject(explanation: Explanation, options: RenderOptions) -> Subject:
    """What one picture shows: the chosen word or token, else all content words together."""
    words = shown_words(explanation)
    together = words_subject(explanation, words) if words else Subject(text="", maps=None)
    return _chosen_subject(explanation, options) or together


def _write_png(path: Path, rgb: ByteArray) -> Path:
    from PIL import Image

    try:
        Image.fromarray(rgb).save(path)
    except OSError as exc:
        raise ExportError(f"can't write {path}: {exc}", hint="check space and permissions") from exc
    return path


def _painter(
    explanation: Explanation, options: RenderOptions, *, clip: _Clip, info: VideoInfo
) -> _Painter:
    asked = [turn.text for turn in explanation.conversation if turn.role == "user"]
    bar = (
        caption_bar(
            explanation.answer,
            asked[-1] if asked else "",
            picture_width=info.width,
            picture_height=info.height,
            font=options.font,
        )
        if options.caption
        else None
    )
    window = explained_window(
        explanation, clip_start_seconds=clip.start_seconds, clip_end_seconds=clip.end_seconds
    )
    slots = explanation.layout.slot_seconds(explanation.pts_seconds)
    return _Painter(slots, window, explanation.layout.view, bar, options)
