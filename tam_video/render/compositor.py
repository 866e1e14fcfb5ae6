"""The frames of an annotated clip: decode the source and draw every element of the screen.

Independent of the layout: the screen has the elements, the passes have the subjects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tam_video.render.elements import FrameState
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
    """Yield the annotated frames, all drawn on the same canvas.

    Args:
        reader: the source; read once for each pass.
        screen: the elements.
        passes: the subjects of each frame.
        clip: the source's clock.
        progress: called with (frames done, total frames) after each frame.

    Yields:
        Frames; the pixels are overwritten by the next one.
    """
    total, done = len(passes) * len(clip.pts_seconds), 0
    for each in passes:
        for frame in ahead(reader.planes(matrix=screen.canvas.matrix)):
            draw(screen, frame_state(each, clip, frame.planes, frame.index))
            yield TimedPlanes(frame.pts_seconds + each.offset_seconds, screen.canvas.drawn)
            done += 1
            if progress is not None:
                progress(done, total)


def frame_state(each: Pass, clip: ClipClock, picture: Planes, frame: int) -> FrameState:
    """Return a frame of a pass with the subject of every run."""
    turns = [(schedule, schedule.turn_index(frame)) for schedule in each.schedules]
    return FrameState(
        picture,
        frame,
        float(clip.pts_seconds[frame]),
        subjects=tuple(schedule.subjects[turn] for schedule, turn in turns),
        shown=tuple(
            (clip.edge_seconds(schedule.bounds[turn]), clip.edge_seconds(schedule.bounds[turn + 1]))
            for schedule, turn in turns
        ),
    )


def draw(screen: Screen, state: FrameState) -> None:
    """Draw all elements on the canvas."""
    for element in screen.elements:
        element.draw(screen.canvas, state)


def drawn_picture(screen: Screen, state: FrameState) -> ByteArray:
    """Return the drawn canvas in RGB, uint8 [H, W, 3], for still pictures."""
    draw(screen, state)
    return rgb_of_planes(screen.canvas.drawn.planes, matrix=screen.canvas.matrix)
