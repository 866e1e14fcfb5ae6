"""Which subject is shown on which frames: turns of a pass of the clip, passes one after the other.

Pure: frames are counted, not touched.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from tam_video.errors import ConfigError
from tam_video.render.options import RenderOptions
from tam_video.render.turns import (
    Subject,
    find_word,
    group_words,
    share_frames,
    shown_words,
    token_subject,
    words_subject,
)
from tam_video.types import Explanation, Float64Array

_MIN_SHARE_SECONDS = 0.25
_STILL_SECONDS = 2.0  # how long a still picture is shown for each word that has a pass of its own


@dataclass(frozen=True, slots=True, eq=False)
class ClipClock:
    """The source's clock: N frames from the first pts to the end of the last frame.

    Attributes:
        pts_seconds: float64 [N], increasing.
        end_seconds: end of the last frame.
    """

    pts_seconds: Float64Array
    end_seconds: float

    @property
    def start_seconds(self) -> float:
        """When the first frame is shown."""
        return float(self.pts_seconds[0])

    def edge_seconds(self, frame: int) -> float:
        """When a frame starts; for N, when the clip ends."""
        ends = frame == len(self.pts_seconds)
        return self.end_seconds if ends else float(self.pts_seconds[frame])


@dataclass(frozen=True, slots=True, eq=False)
class TurnSchedule:
    """The turns of one run over one pass.

    Attributes:
        subjects: one turn after the other, one at least.
        bounds: turn k is frames `bounds[k]` up to `bounds[k + 1]`; from 0 to N.
    """

    subjects: tuple[Subject, ...]
    bounds: tuple[int, ...]

    def turn_index(self, frame: int) -> int:
        """Return the index of the turn that a frame belongs to."""
        return min(len(self.subjects), bisect_right(self.bounds, frame)) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """The whole clip once, `offset_seconds` later than in the source."""

    schedules: tuple[TurnSchedule, ...]
    offset_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of the annotated clip that shows one subject.

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


def plan_passes(
    explanation: Explanation, options: RenderOptions, clip: ClipClock, *, is_image: bool = False
) -> tuple[Pass, ...]:
    """Who is shown on which frames of which pass.

    Args:
        explanation: its words or tokens are shown.
        options: layout, and the word or token that was chosen.
        clip: the source's clock.
        is_image: a still picture is shown longer, where there are several passes.

    Raises:
        ConfigError: there is no such word or token.
    """
    if options.layout == "words":
        length = clip.end_seconds - clip.start_seconds
        length = max(length, _STILL_SECONDS) if is_image else length
        subjects = [words_subject(explanation, [word]) for word in shown_words(explanation)]
        return tuple(
            Pass((whole(subject, clip),), place * length)
            for place, subject in enumerate(subjects or [Subject(text="", maps=None)])
        )
    if options.layout == "grid":
        return (Pass((whole(Subject(text=explanation.answer, maps=None), clip),)),)
    return (Pass((schedule_turns(explanation, options, clip),)),)


def whole(subject: Subject, clip: ClipClock) -> TurnSchedule:
    """One subject for the whole clip."""
    return TurnSchedule((subject,), (0, len(clip.pts_seconds)))


def schedule_turns(
    explanation: Explanation, options: RenderOptions, clip: ClipClock
) -> TurnSchedule:
    """The chosen word or token for the whole clip, else the content words in equal parts of it.

    Raises:
        ConfigError: there is no such word or token.
    """
    chosen = chosen_subject(explanation, options)
    words = shown_words(explanation)
    if chosen is not None or not words:
        return whole(chosen or Subject(text="", maps=None), clip)
    groups = group_words(words, len(clip.pts_seconds))
    bounds = share_frames(clip.pts_seconds, end_seconds=clip.end_seconds, parts=len(groups))
    return TurnSchedule(tuple(words_subject(explanation, group) for group in groups), tuple(bounds))


def schedule_turns_if_present(
    explanation: Explanation, options: RenderOptions, clip: ClipClock
) -> TurnSchedule:
    """The same, but an answer without the chosen word shows nothing."""
    try:
        return schedule_turns(explanation, options, clip)
    except ConfigError:
        if options.word is None:
            raise
        return whole(Subject(text="", maps=None), clip)


def chosen_subject(explanation: Explanation, options: RenderOptions) -> Subject | None:
    """The word or token that was asked for; None where none was.

    Raises:
        ConfigError: there is no such word or token.
    """
    if options.token is not None:
        return token_subject(explanation, options.token)
    if options.word is not None:
        return words_subject(explanation, [find_word(explanation, options.word)])
    return None


def list_turns(
    passes: Sequence[Pass], clip: ClipClock, *, shift_seconds: float
) -> tuple[Turn, ...]:
    """What the first run shows when, in seconds of the annotated clip.

    Args:
        passes: the plan.
        clip: the source's clock.
        shift_seconds: time of the source, or of the first pass, that is 0 in the annotated clip.
    """
    return tuple(
        Turn(
            start_seconds=clip.edge_seconds(start) + each.offset_seconds - shift_seconds,
            end_seconds=clip.edge_seconds(stop) + each.offset_seconds - shift_seconds,
            text=subject.text,
            word_indices=subject.word_indices,
            token_index=subject.token_index,
        )
        for each in passes
        for subject, start, stop in zip(
            each.schedules[0].subjects,
            each.schedules[0].bounds,
            each.schedules[0].bounds[1:],
            strict=False,
        )
    )


def turn_warnings(found: Sequence[Turn]) -> tuple[str, ...]:
    """What a viewer would miss."""
    if len(found) == 1:
        return ()
    shortest = min(each.end_seconds - each.start_seconds for each in found)
    warnings = []
    if max(len(each.word_indices) for each in found) > 1:
        warnings.append("fewer frames than words: some words share a frame")
    if shortest < _MIN_SHARE_SECONDS:
        warnings.append(f"words are shown for {shortest:.2f} s only: layout 'words' is slower")
    return tuple(warnings)
