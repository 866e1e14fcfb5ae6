"""Write the annotated clip or picture for one run in constant memory.

Calls the other modules in order: `schedule` decides what is shown when, `screens` its position, the
elements how it looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from tam_video.render.context import RenderContext
from tam_video.render.elements import FrameState
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
from tam_video.render.screens import Screen, build_screen
from tam_video.render.stills import write_stills
from tam_video.render.subtitles import write_vtt
from tam_video.render.text_layout import one_line
from tam_video.render.turns import NO_SUBJECT, question_of, shown_words, words_subject
from tam_video.stages import StepProgress
from tam_video.types import ByteArray, Explanation
from tam_video.video.ahead import ahead
from tam_video.video.muxing import replacing
from tam_video.video.planes import DrawnFrame, planes_of_rgb, rgb_of_planes
from tam_video.video.reader import VideoReader, open_video
from tam_video.video.writer import (
    Chapter,
    PictureTags,
    WrittenVideo,
    source_tags,
    write_video,
)
from tam_video.workspace.files import wrap_os_errors


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """The paths of the written files: clip, captions, picture, previews and contact sheets.

    Attributes:
        turns: what is shown when.
        warnings: fallbacks taken, as sentences.
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
    """Write an annotated clip, captions, previews and contact sheets. A picture also gets a PNG.

    All layouts but "words" keep the source's frames, times and sound; "overlay" and "words" keep
    its size too and add the bar below. The clip is read frame by frame, so memory does not grow
    with its length.

    Args:
        explanation: the maps; its clock is the video's.
        video_path: the source video.
        out_dir: an existing folder.
        options: how it looks; `RenderOptions()` by default.
        progress: called with (frames done, total frames) after each frame.

    Raises:
        ConfigError: the chosen word, token or font does not exist, or the layout needs more runs.
        InputError: the video can't be read.
        EncodeError: the MP4 can't be written.
        ExportError: another file can't be written.
        MissingDependencyError: PDF or SVG without the library that draws it.
    """
    look = options or RenderOptions()
    with open_video(video_path, reader=look.reader) as reader:
        context, tags = open_context(reader, look)
        passes = plan_passes(explanation, look, context.clip, is_image=reader.info.is_image)
        screen = build_screen(explanation, context)
        still_context = replace(context, step=1)
        # Before the encoding, so that a missing library is reported at once.
        stills, still_warnings = write_stills(explanation, reader, out_dir, still_context)
        mp4 = out_dir / "annotated.mp4"
        written = encode(mp4, reader, screen, passes, context, tags=tags, progress=progress)
        png = None
        if reader.info.is_image:
            png = out_dir / "annotated.png"
            _write_png(png, _annotated_still(explanation, reader, still_context))
    files = finish_clip(
        written,
        passes,
        context,
        vtt=out_dir / "captions.vtt",
        preview=out_dir / "preview",
        title=question_of(explanation) or explanation.answer,
        warnings=(*screen.warnings, *still_warnings),
    )
    return replace(files, png=png, stills=stills)


def open_context(reader: VideoReader, look: RenderOptions) -> tuple[RenderContext, PictureTags]:
    """Return the render context for an open source, and the colour tags to write in the output."""
    info, pts = reader.info, reader.timeline.pts_seconds
    tags = source_tags(info)
    clip = ClipClock(pts, end_seconds=float(pts[0]) + info.duration_seconds)
    return RenderContext(info, clip, look, tags.matrix), tags


def encode(
    path: Path,
    reader: VideoReader,
    screen: Screen,
    passes: tuple[Pass, ...],
    context: RenderContext,
    *,
    tags: PictureTags,
    progress: StepProgress | None = None,
) -> WrittenVideo:
    """Draw and encode all passes over the source. Several passes become chapters without sound."""
    info, clip, look = context.info, context.clip, context.look
    if screen.square_pixels:
        tags = replace(tags, sample_aspect_ratio=Fraction(1))
    chapters = [
        Chapter(each.start_seconds, each.end_seconds, one_line(each.text) or "-")
        for each in list_turns(passes, clip, shift_seconds=clip.start_seconds)
    ]
    return write_video(
        path,
        _annotated_frames(reader, screen, passes, clip, progress),
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


def _annotated_frames(
    reader: VideoReader,
    screen: Screen,
    passes: Sequence[Pass],
    clip: ClipClock,
    progress: StepProgress | None,
) -> Iterator[tuple[float, DrawnFrame]]:
    """Yield the frames of all passes over the source, all drawn on the same canvas."""
    total, done = len(passes) * len(clip.pts_seconds), 0
    for each in passes:
        for frame in ahead(reader.planes(matrix=screen.canvas.matrix)):
            screen.draw(FrameState.of(each, clip, frame.planes, frame.index))
            yield (frame.pts_seconds + each.offset_seconds, screen.canvas.drawn)
            done += 1
            if progress is not None:
                progress(done, total)


def finish_clip(
    written: WrittenVideo,
    passes: tuple[Pass, ...],
    context: RenderContext,
    *,
    vtt: Path,
    preview: Path,
    title: str,
    warnings: tuple[str, ...] = (),
) -> RenderedFiles:
    """Write captions and previews for an encoded clip. `preview` is a path without a suffix."""
    look = context.look
    turns = list_turns(passes, context.clip, shift_seconds=written.shift_seconds)
    write_vtt(vtt, turns)
    previews = tuple(
        write_preview(written.path, Path(f"{preview}.{kind}"), title=title, font=look.font)
        for kind in look.previews
    )
    warnings = (*written.warnings, *warnings, *turn_warnings(turns))
    return RenderedFiles(written.path, vtt, turns, warnings, previews=previews)


def _annotated_still(
    explanation: Explanation, reader: VideoReader, context: RenderContext
) -> ByteArray:
    """Draw the chosen word or token, or else all words, on the first frame: uint8 [H, W, 3]."""
    words = shown_words(explanation)
    together = words_subject(explanation, words) if words else NO_SUBJECT
    schedule = whole(chosen_subject(explanation, context.look) or together, context.clip)
    rgb = next(iter(reader.frames())).rgb
    picture = planes_of_rgb(rgb, matrix=context.matrix, step=context.step)
    screen = build_screen(explanation, context)
    screen.draw(FrameState.of(Pass((schedule,)), context.clip, picture, 0))
    return rgb_of_planes(screen.canvas.drawn.planes, matrix=context.matrix)


def _write_png(path: Path, rgb: ByteArray) -> None:
    from PIL import Image

    with wrap_os_errors(path), replacing(path) as partial:
        Image.fromarray(rgb).save(partial, "PNG")
