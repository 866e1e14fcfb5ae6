"""One annotated MP4 of a long video: the explained windows one after the other, or all of it.

Owns: which frames are drawn by which window, and the clocks. The pictures are those of `render`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.errors import ConfigError
from tam_video.export.document import read_explanation
from tam_video.long.document import told_on
from tam_video.long.windows import Stretch
from tam_video.render.annotate import open_context
from tam_video.render.elements import FrameState
from tam_video.render.options import RenderOptions
from tam_video.render.schedule import ClipClock, list_turns, plan_passes
from tam_video.render.screens import Screen, build_screen
from tam_video.render.subtitles import Cue, write_vtt
from tam_video.render.text_layout import one_line
from tam_video.render.timeline import clock_text
from tam_video.stages import StepProgress
from tam_video.types import Explanation
from tam_video.video.planes import planes_of_rgb
from tam_video.video.reader import VideoReader
from tam_video.video.writer import Chapter, TimedPlanes, write_video

_HALF_TICK = 5e-7  # seconds: a frame is not missed by the rounding of its time


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """Frames that are drawn alike.

    Attributes:
        window: who speaks for them; None where nothing was explained.
        run_dir: the run folder of that window, or of one near by.
        first: number of the first frame in the source.
        clip: their clock, as the source has it.
        film_seconds: when the first one is shown in the film.
    """

    window: int | None
    run_dir: Path
    first: int
    clip: ClipClock
    film_seconds: float

    @property
    def shift_seconds(self) -> float:
        """Time of the source that would be 0 in the film."""
        return self.clip.start_seconds - self.film_seconds

    @property
    def end_seconds(self) -> float:
        """When its last frame ends in the film."""
        return self.clip.end_seconds - self.shift_seconds

    def explanation(self) -> Explanation:
        """What is drawn, told on its frames alone; without an answer where nothing was asked.

        Raises:
            RunFolderError: the run folder can't be read.
        """
        told = told_on(
            read_explanation(self.run_dir),
            self.clip.start_seconds,
            self.clip.end_seconds,
            num_frames=len(self.clip.pts_seconds),
        )
        if self.window is not None:
            return told
        empty = replace(told.inputs[0], word_maps=told.word_maps[:0])
        return replace(told, inputs=(empty,), answer="", words=(), visual_reliance=None)


class Film:
    """Draws stretches of a long video; holds one explanation at a time."""

    def __init__(
        self,
        reader: VideoReader,
        stretches: Sequence[Stretch],
        run_dirs: Mapping[int, Path],
        *,
        look: RenderOptions,
    ) -> None:
        """Lay it out.

        Args:
            reader: the source.
            stretches: what is drawn, in order of time, in seconds from the first frame; one of no
                window is drawn as it is.
            run_dirs: the run folders of the windows, one at least; what belongs to others is left
                out.
            look: how it looks.

        Raises:
            ConfigError: a layout that shows the clip several times.
        """
        check_layout(look)
        self._reader, self._look = reader, look
        self._context, self._tags = open_context(reader, look)
        self._clock = self._context.clip
        self._shots = self._all_shots(stretches, run_dirs)

    def rows(self) -> list[dict[str, Any]]:
        """What is drawn when, as JSON values; `source_seconds` counts from the first frame."""
        return [
            {
                "start_seconds": round(each.film_seconds, 4),
                "end_seconds": round(each.end_seconds, 4),
                "source_seconds": round(each.clip.start_seconds - self._clock.start_seconds, 4),
                "window": each.window,
            }
            for each in self._shots
        ]

    def write(self, mp4: Path, vtt: Path, *, progress: StepProgress | None = None) -> None:
        """Encode it, with a chapter for each shot, and the captions of its words.

        Raises:
            InputError: the source can't be read.
            OutputError: a file can't be written, or a run folder can't be read.
        """
        chapters, cues, min_size = self._prepared()
        tags = self._tags
        if self._look.layout != "overlay":
            tags = replace(tags, sample_aspect_ratio=Fraction(1))
        write_video(
            mp4,
            self._frames(min_size, progress),
            width=min_size[0],
            height=min_size[1],
            end_seconds=self._shots[-1].end_seconds,
            average_fps=self._reader.info.average_fps,
            tags=tags,
            chapters=chapters,
            crf=self._look.crf,
            speed_preset=self._look.speed_preset,
            encoder=self._look.encoder,
        )
        write_vtt(vtt, cues)

    def _all_shots(
        self, stretches: Sequence[Stretch], run_dirs: Mapping[int, Path]
    ) -> tuple[Shot, ...]:
        pts, found, film_seconds = self._clock.pts_seconds, [], 0.0
        near = next(iter(run_dirs.values()))
        for stretch in stretches:
            if stretch.window is not None and stretch.window not in run_dirs:
                continue
            edges = np.array([stretch.start_seconds, stretch.end_seconds]) + pts[0] - _HALF_TICK
            first, stop = np.searchsorted(pts, edges).tolist()
            if first == stop:
                continue
            near = near if stretch.window is None else run_dirs[stretch.window]
            clip = ClipClock(pts[first:stop], self._clock.edge_seconds(stop))
            found.append(Shot(stretch.window, near, first, clip, film_seconds))
            film_seconds = found[-1].end_seconds
        return tuple(found)

    def _prepared(self) -> tuple[list[Chapter], list[Cue], tuple[int, int]]:
        """Chapters, captions, and the (width, height) that has room for every screen."""
        chapters: list[Chapter] = []
        cues: list[Cue] = []
        width, height = 0, 0
        for shot in self._shots:
            explanation = shot.explanation()
            canvas = self._screen(shot, explanation, (0, 0)).canvas
            width, height = max(width, canvas.width), max(height, canvas.height)
            at = clock_text(shot.clip.start_seconds - self._clock.start_seconds)
            title = one_line(f"{at} {explanation.answer}")
            chapters.append(Chapter(shot.film_seconds, shot.end_seconds, title))
            passes = plan_passes(explanation, self._look, shot.clip)
            cues += list_turns(passes, shot.clip, shift_seconds=shot.shift_seconds)
        return chapters, cues, (width, height)

    def _screen(self, shot: Shot, explanation: Explanation, min_size: tuple[int, int]) -> Screen:
        context = replace(self._context, clip=shot.clip, min_size=min_size, shown_clock=self._clock)
        return build_screen(explanation, context)

    def _frames(
        self, size: tuple[int, int], progress: StepProgress | None
    ) -> Iterator[TimedPlanes]:
        done, total = 0, sum(len(shot.clip.pts_seconds) for shot in self._shots)
        for shot in self._shots:
            explanation = shot.explanation()
            screen = self._screen(shot, explanation, size)
            [one_pass] = plan_passes(explanation, self._look, shot.clip)
            stop = shot.first + len(shot.clip.pts_seconds)
            for frame in self._reader.frames(shot.first, stop):
                picture = planes_of_rgb(frame.rgb, matrix=self._tags.matrix)
                index = frame.index - shot.first
                screen.draw(FrameState.of(one_pass, shot.clip, picture, index))
                yield TimedPlanes(frame.pts_seconds - shot.shift_seconds, screen.canvas.drawn)
                done += 1
                if progress is not None:
                    progress(done, total)


def check_layout(look: RenderOptions) -> None:
    """Raise where a layout is not for long videos.

    Raises:
        ConfigError: it shows the clip several times.
    """
    if look.layout == "words":
        raise ConfigError(
            "layout 'words' shows the clip once for each word: too long for a long video",
            hint="--layout overlay, side or grid",
        )
