"""The one way from a source to an annotated clip: decode, draw every element, hand to the encoder.

Knows no layout: a screen says what is drawn where, the passes say what is shown when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tam_video.render.elements import Moment
from tam_video.render.schedule import ClipClock, Pass
from tam_video.render.screens import Screen
from tam_video.stages import StepProgress
from tam_video.types import ByteArray
from tam_video.video.ahead import ahead
from tam_video.video.planes import Planes, rgb_of_planes
from tam_video.video.reader import VideoReader
from tam_video.video.writer import TimedPlanes


def compose(
    reader: VideoReader,
    screen: Screen,
    passes: Sequence[Pass],
    clip: ClipClock,
    *,
    progress: StepProgress | None = None,
) -> Iterator[TimedPlanes]:
    """The annotated frames, one at a time on one canvas.

    Args:
        reader: the source; read once for each pass.
        screen: what is drawn where.
        passes: what is shown when.
        clip: the source's clock.
        progress: called with (frames done, frames in all) after each frame.

    Yields:
        Frames whose pixels are overwritten by the next one.
    """
    total, done = len(passes) * len(clip.pts_seconds), 0
    for each in passes:
        for frame in ahead(reader.planes(matrix=screen.canvas.matrix)):
            draw(screen, moment_of(each, clip, frame.planes, frame.index))
            yield TimedPlanes(frame.pts_seconds + each.offset_seconds, screen.canvas.drawn)
            done += 1
            if progress is not None:
                progress(done, total)


def moment_of(each: Pass, clip: ClipClock, picture: Planes, frame: int) -> Moment:
    """A frame of a pass, with what every run shows of it."""
    turns = [(schedule, schedule.turn_index(frame)) for schedule in each.schedules]
    return Moment(
        picture,
        frame,
        float(clip.pts_seconds[frame]),
        subjects=tuple(schedule.subjects[turn] for schedule, turn in turns),
        shown=tuple(
            (clip.edge_seconds(schedule.bounds[turn]), clip.edge_seconds(schedule.bounds[turn + 1]))
            for schedule, turn in turns
        ),
    )


def draw(screen: Screen, moment: Moment) -> None:
    """Bring the canvas up to date."""
    for element in screen.elements:
        element.draw(screen.canvas, moment)


def drawn_picture(screen: Screen, moment: Moment) -> ByteArray:
    """uint8 [H, W, 3]: the canvas at a moment in RGB, for still pictures."""
    draw(screen, moment)
    return rgb_of_planes(screen.canvas.drawn.planes, matrix=screen.canvas.matrix)
