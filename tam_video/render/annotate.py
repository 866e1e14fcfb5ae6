"""The annotated clip or picture of one run: the files, in one pass and with flat memory.

Owns the order of things. What is shown when is decided in `schedule`, where it stands in `screens`,
how it looks in the elements.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from tam_video.errors import ExportError
from tam_video.render.compositor import compose, drawn_picture, moment_of
from tam_video.render.options import RenderOptions
from tam_video.render.preview import write_preview
from tam_video.render.schedule import (
    ClipClock,
    Pass,
    Turn,
    chosen_subject,
    list_turns,
    plan_passes,
    turn_warnings,
    whole,
)
from tam_video.render.screens import RenderContext, Screen, build_screen
from tam_video.render.stills import write_stills
from tam_video.render.subtitles import Cue, write_vtt
from tam_video.render.text_layout import one_line
from tam_video.render.turns import Subject, shown_words, words_subject
from tam_video.stages import StepProgress
from tam_video.types import ByteArray, Explanation, VideoInfo
from tam_video.video.planes import SWSCALE_MATRIX, matrix_of, planes_of_rgb
from tam_video.video.reader import VideoReader, open_video
from tam_video.video.writer import (
    Chapter,
    PictureTags,
    WrittenVideo,
    read_picture_tags,
    write_video,
)

__all__ = ["RenderOptions", "RenderedFiles", "Turn", "render_annotated"]


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """What was written.

    Attributes:
        mp4: the annotated clip.
        vtt: its captions.
        turns: what is shown when.
        warnings: fallbacks that were taken, in words.
        png: the annotated still of a picture; None for a clip.
        previews: short animations, as they were asked for.
        stills: contact sheets, as they were asked for.
    """

    mp4: Path
    vtt: Path
    turns: tuple[Turn, ...]
    warnings: tuple[str, ...] = ()
    png: Path | None = None
    previews: tuple[Path, ...] = ()
    stills: tuple[Path, ...] = ()


def render_annotated(
    explanation: Explanation,
    video_path: Path,
    out_dir: Path,
    *,
    options: RenderOptions | None = None,
    progress: StepProgress | None = None,
) -> RenderedFiles:
    """Write `annotated.mp4` and `captions.vtt`, for a still picture `annotated.png`, and extras.

    All layouts but "words" keep the source's frames, times and sound; "overlay" and "words" keep
    its size too and add the bar below. The clip is read frame by frame, so memory does not grow
    with it.

    Args:
        explanation: what was seen; its clock is the video's.
        video_path: the source video.
        out_dir: an existing folder.
        options: how it looks; `RenderOptions()` by default.
        progress: called with (frames done, frames in all) after each frame.

    Returns:
        The files and what they show when.

    Raises:
        ConfigError: the chosen word, token or font does not exist, or the layout needs more runs.
        InputError: the video can't be read.
        EncodeError: the MP4 can't be written.
        ExportError: another file can't be written.
        MissingDependencyError: PDF or SVG is asked for without the library that draws it.
    """
    look = options or RenderOptions()
    with open_video(video_path, reader=look.reader) as reader:
        info = reader.info
        clip = clip_clock(reader)
        tags = source_tags(video_path, info)
        passes = plan_passes(explanation, look, clip, is_image=info.is_image)
        screen = build_screen(explanation, RenderContext(info, clip, look, tags.matrix))
        still_context = RenderContext(info, clip, look, tags.matrix, step=1)
        # Before the long part: a missing library is told at once.
        stills = write_stills(explanation, reader, out_dir, still_context)
        written = encode(
            out_dir / "annotated.mp4",
            reader,
            screen,
            passes,
            clip,
            tags=tags,
            look=look,
            progress=progress,
        )
        png = None
        if info.is_image:
            still = _annotated_still(explanation, reader, still_context)
            png = _write_png(out_dir / "annotated.png", still)
    found = list_turns(passes, clip, shift_seconds=written.shift_seconds)
    cues = (Cue(each.start_seconds, each.end_seconds, each.text) for each in found)
    vtt = write_vtt(out_dir / "captions.vtt", cues)
    previews = tuple(
        write_preview(
            written.path, out_dir / f"preview.{kind}", title=_title(explanation), font=look.font
        )
        for kind in look.previews
    )
    warnings = (*written.warnings, *screen.warnings, *stills.warnings, *turn_warnings(found))
    return RenderedFiles(written.path, vtt, found, warnings, png, previews, stills.paths)


def clip_clock(reader: VideoReader) -> ClipClock:
    """The clock of an opened source."""
    pts = reader.timeline.pts_seconds
    return ClipClock(pts, end_seconds=float(pts[0]) + reader.info.duration_seconds)


def source_tags(path: Path, info: VideoInfo) -> PictureTags:
    """The source's tags, with the matrix that it is decoded with where it names none."""
    tags = read_picture_tags(path, rotation_degrees=info.rotation_degrees)
    if tags.matrix in SWSCALE_MATRIX:
        return tags
    return replace(tags, matrix=matrix_of(info.color_space, width=info.width, height=info.height))


def encode(
    path: Path,
    reader: VideoReader,
    screen: Screen,
    passes: tuple[Pass, ...],
    clip: ClipClock,
    *,
    tags: PictureTags,
    look: RenderOptions,
    progress: StepProgress | None = None,
) -> WrittenVideo:
    """Draw and encode all passes; several have chapters and no sound.

    Raises:
        InputError: the video can't be read.
        EncodeError: the MP4 can't be written.
    """
    info = reader.info
    if screen.square_pixels:
        tags = replace(tags, sample_aspect_ratio=Fraction(1))
    chapters = [
        Chapter(each.start_seconds, each.end_seconds, one_line(each.text) or "-")
        for each in list_turns(passes, clip, shift_seconds=clip.start_seconds)
    ]
    return write_video(
        path,
        compose(reader, screen, passes, clip, progress=progress),
        width=screen.canvas.width,
        height=screen.canvas.height,
        end_seconds=passes[-1].offset_seconds + clip.end_seconds,
        average_fps=info.average_fps,
        tags=tags,
        audio_from=info.path if info.has_audio and len(passes) == 1 else None,
        chapters=chapters if look.layout == "words" else (),
        crf=look.crf,
        speed_preset=look.speed_preset,
        encoder=look.encoder,
    )


def _annotated_still(
    explanation: Explanation, reader: VideoReader, context: RenderContext
) -> ByteArray:
    """uint8 [H, W, 3]: the first frame with the chosen word or token, else all content words."""
    words = shown_words(explanation)
    together = words_subject(explanation, words) if words else Subject(text="", maps=None)
    schedule = whole(chosen_subject(explanation, context.look) or together, context.clip)
    rgb = next(iter(reader.frames())).rgb
    picture = planes_of_rgb(rgb, matrix=context.matrix, step=context.step)
    screen = build_screen(explanation, context)
    return drawn_picture(screen, moment_of(Pass((schedule,)), context.clip, picture, 0))


def _title(explanation: Explanation) -> str:
    asked = [turn.text for turn in explanation.conversation if turn.role == "user"]
    return asked[-1] if asked else explanation.answer


def _write_png(path: Path, rgb: ByteArray) -> Path:
    from PIL import Image

    try:
        Image.fromarray(rgb).save(path)
    except OSError as exc:
        raise ExportError(f"can't write {path}: {exc}", hint="check space and permissions") from exc
    return path
