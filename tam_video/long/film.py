"""Write the annotated MP4 of a long video: all frames, or only frames in explained windows.

Owns: which window draws which frames, and the clocks. `render` draws the frames.
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
from tam_video.long.document import restrict_to_part
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
from tam_video.video.planes import DrawnFrame, planes_of_rgb
from tam_video.video.reader import VideoReader
from tam_video.video.writer import Chapter, write_video

_HALF_TICK = 5e-7  # seconds: tolerance for rounded frame times


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """Consecutive frames with the same explanation.

    Attributes:
        window: index of their window; None where nothing was explained.
        run_dir: run folder of that window, or of the nearest one.
        first: index of the first frame in the source.
        clip: their times in the source.
        film_seconds: start of the shot in the MP4.
    """

    window: int | None
    run_dir: Path
    first: int
    clip: ClipClock
    film_seconds: float

    @property
    def shift_seconds(self) -> float:
        """Return the offset that is subtracted from a source time to obtain the time in the MP4."""
        return self.clip.start_seconds - self.film_seconds

    @property
    def end_seconds(self) -> float:
        """Return the end time of the shot in the MP4."""
        return self.clip.end_seconds - self.shift_seconds

    def explanation(self) -> Explanation:
        """Return the explanation of the shot. It has no words if no window covers the shot.

        Raises:
            RunFolderError: the run folder cannot be read.
        """
        part = restrict_to_part(
            read_explanation(self.run_dir),
            self.clip.start_seconds,
            self.clip.end_seconds,
            num_frames=len(self.clip.pts_seconds),
        )
        if self.window is not None:
            return part
        empty = replace(part.inputs[0], word_maps=part.word_maps[:0])
        return replace(
            part, inputs=(empty,), answer="", words=(), visual_reliance=None, verification=None
        )


class Film:
    """Renders the annotated MP4 of a long video. Only one explanation is in memory at a time."""

    def __init__(
        self,
        reader: VideoReader,
        stretches: Sequence[Stretch],
        run_dirs: Mapping[int, Path],
        *,
        look: RenderOptions,
    ) -> None:
        """Make a shot from each stretch that contains frames.

        Stretches are in order of time, in seconds from the first frame; one without a window has no
        heat, and one of a window without a run folder is skipped.
        """
        check_layout(look)
        self._reader, self._look = reader, look
        self._context, self._tags = open_context(reader, look)
        self._clock = self._context.clip
        self._shots = self._all_shots(stretches, run_dirs)

    def rows(self) -> list[dict[str, Any]]:
        """Return the shots as JSON values, with source times relative to the first frame."""
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
        """Encode the MP4 with a chapter for each shot. Write the captions as WebVTT.

        Raises:
            InputError: the source cannot be read.
            OutputError: a file cannot be written, or a run folder cannot be read.
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
        pts, shots, film_seconds = self._clock.pts_seconds, [], 0.0
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
            shots.append(Shot(stretch.window, near, first, clip, film_seconds))
            film_seconds = shots[-1].end_seconds
        return tuple(shots)

    def _prepared(self) -> tuple[list[Chapter], list[Cue], tuple[int, int]]:
        """Return the chapters, the captions, and the (width, height) of the largest frame."""
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
    ) -> Iterator[tuple[float, DrawnFrame]]:
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
                yield (frame.pts_seconds - shot.shift_seconds, screen.canvas.drawn)
                done += 1
                if progress is not None:
                    progress(done, total)


def check_layout(look: RenderOptions) -> None:
    """Raise ConfigError if the layout is 'words', because it shows the clip several times."""
    if look.layout == "words":
        raise ConfigError(
            "layout 'words' shows the clip once per word, which takes too long for a long video",
            hint="pass --layout overlay, side or grid",
        )
