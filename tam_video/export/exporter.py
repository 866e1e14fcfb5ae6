"""What an exporter is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tam_video.errors import MissingDependencyError
from tam_video.export.plain_text import one_line, writable
from tam_video.localise import SlotTimeline, WordTrack
from tam_video.types import Explanation, IntArray, VideoInfo


@dataclass(frozen=True, eq=False)
class TrackedInput:
    """One video or image of an explanation with the tracks that are exported.

    Attributes:
        explanation: told on this input alone: its maps, layout and video are the first.
        tracks: the tracks of the chosen words, in the order of the answer.
        timeline: when the slots speak, and the time of every frame of the source.
        frames: int64, the numbers of the source frames that formats with one entry a frame list.
    """

    explanation: Explanation
    tracks: tuple[WordTrack, ...]
    timeline: SlotTimeline
    frames: IntArray

    @property
    def info(self) -> VideoInfo:
        """The source video."""
        return self.explanation.info

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """For each track its word on one line; a word said twice has one label."""
        return tuple(one_line(track.text) or f"word {track.word_index}" for track in self.tracks)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The distinct labels, in the order of the answer."""
        return tuple(dict.fromkeys(self.labels))

    @property
    def name(self) -> str:
        """The source's name as a part of a path: letters, digits, dash and underscore."""
        stem = self.info.path.stem
        return "".join(c if c.isalnum() or c in "-_" else "_" for c in stem)[:60] or "video"

    @property
    def file_name(self) -> str:
        """The source's file name."""
        return writable(self.info.path.name)

    @property
    def question(self) -> str:
        """The last turn that was asked."""
        turns = self.explanation.conversation
        return writable(turns[-1].text) if turns else ""

    @property
    def answer(self) -> str:
        """The whole answer."""
        return writable(self.explanation.answer)

    @property
    def listed_slots(self) -> IntArray:
        """int64, the slot that speaks for each of `frames`, -1 for none."""
        return self.timeline.frame_slots[self.frames]

    def player_seconds(self, seconds: float) -> float:
        """A time of the source's clock as a player counts it, from the first frame."""
        return max(0.0, seconds - float(self.timeline.frame_seconds[0]))

    def player_milliseconds(self, track: WordTrack) -> tuple[tuple[int, int], ...]:
        """The spans of a track as a player counts them, each of a millisecond at least."""
        rounded = (
            [round(1000 * self.player_seconds(edge)) for edge in span]
            for span in track.spans_seconds
        )
        return tuple((start, max(end, start + 1)) for start, end in rounded)


@dataclass(frozen=True, slots=True)
class Exporter:
    """A format.

    Attributes:
        name: what it is asked for by.
        files: names of the files and folders it writes, told without the number of the input.
        summary: what it is, in some words.
        index_base: what the first frame of the source is called, None where frames have no number.
        write: writes exactly `files` into an empty folder.
        package: the module that has to be installed, "" for none.
        extra: the extra of tam-video that installs it.
    """

    name: str
    files: tuple[str, ...]
    summary: str
    index_base: Literal[0, 1] | None
    write: Callable[[TrackedInput, Path], None]
    package: str = ""
    extra: str = ""

    def check_package(self) -> None:
        """Import the package that the format needs.

        Raises:
            MissingDependencyError: it is not installed.
        """
        if not self.package:
            return
        try:
            import_module(self.package)
        except ImportError as exc:
            raise MissingDependencyError(
                f"the format {self.name!r} needs {self.package.partition('.')[0]}: {exc}",
                hint=f"pip install 'tam-video[{self.extra}]'",
            ) from exc


def plain_number(value: Any) -> float | None:
    """A number for JSON and tables, rounded to 6 digits; None for NaN and infinities."""
    number = float(value)
    return round(number, 6) if np.isfinite(number) else None
