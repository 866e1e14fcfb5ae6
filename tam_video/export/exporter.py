"""Interface of exporters, and the input that they receive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tam_video.errors import optional_import
from tam_video.export.plain_text import one_line, path_component, writable
from tam_video.localise import SlotTimeline, WordTrack
from tam_video.types import Explanation, IntArray, VideoInfo, WordVerification


@dataclass(frozen=True, eq=False)
class TrackedInput:
    """One video or image of an explanation, with the tracks to export.

    Attributes:
        explanation: the explanation with this input as its only one.
        tracks: the tracks of the exported words, in the order of the answer.
        timeline: the times of the slots and of every frame of the source.
        frames: int64, the source frames that are listed by formats with one entry per frame.
    """

    explanation: Explanation
    tracks: tuple[WordTrack, ...]
    timeline: SlotTimeline
    frames: IntArray

    @property
    def info(self) -> VideoInfo:
        """Return the metadata of the source video."""
        return self.explanation.info

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Return the label of each track: its word on one line. Equal words have equal labels."""
        return tuple(one_line(track.text) or f"word {track.word_index}" for track in self.tracks)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Return the distinct labels, in the order of the answer."""
        return tuple(dict.fromkeys(self.labels))

    @property
    def name(self) -> str:
        """Return the stem of the source file with only letters, digits, dashes and underscores."""
        return path_component(self.info.path.stem)

    @property
    def file_name(self) -> str:
        """Return the file name of the source."""
        return writable(self.info.path.name)

    @property
    def question(self) -> str:
        """Return the last message before the answer."""
        turns = self.explanation.conversation
        return writable(turns[-1].text) if turns else ""

    @property
    def answer(self) -> str:
        """Return the whole answer of the model."""
        return writable(self.explanation.answer)

    @property
    def listed_slots(self) -> IntArray:
        """Return the slot index of each frame in `frames`: int64, -1 for a frame without a slot."""
        return self.timeline.frame_slots[self.frames]

    def check_of(self, track: WordTrack) -> WordVerification | None:
        """Return the check of a track's word, or None if the word was not checked in this input."""
        known = self.explanation.verification
        if known is None or track.word_index is None:
            return None
        check = known.of_word(track.word_index)
        return check if check is not None and check.input == track.input else None

    def player_seconds(self, seconds: float) -> float:
        """Convert a presentation time to player time, which is 0 at the first frame."""
        return max(0.0, seconds - float(self.timeline.frame_seconds[0]))

    def player_milliseconds(self, track: WordTrack) -> tuple[tuple[int, int], ...]:
        """Return the spans of a track in ms of player time. Each span lasts at least 1 ms."""
        rounded = (
            [round(1000 * self.player_seconds(edge)) for edge in span]
            for span in track.spans_seconds
        )
        return tuple((start, max(end, start + 1)) for start, end in rounded)


@dataclass(frozen=True, slots=True)
class Exporter:
    """An export format: its name, its files and the function that writes them.

    Attributes:
        name: its name in `EXPORTERS`.
        files: names of the files and folders it writes for the first input.
        summary: a short description.
        index_base: number of the first frame of the source, None if frames have no numbers.
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
        """Raise an error if the package that the format needs is not installed.

        Raises:
            MissingDependencyError: it is not installed.
        """
        needs = f"the format {self.name!r} needs {self.package.partition('.')[0]}"
        if self.package:
            with optional_import(needs, install=f"'tam-video[{self.extra}]'"):
                import_module(self.package)


def plain_number(value: Any) -> float | None:
    """Round a number to 6 digits for JSON and tables. Return None for NaN and infinities."""
    number = float(value)
    return round(number, 6) if np.isfinite(number) else None
