"""The schedule: which word or token each frame of the annotated clip shows.

Works on frame indices and times only, without pixels.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from tam_video.errors import ConfigError
from tam_video.render.options import RenderOptions
from tam_video.render.subtitles import Cue
from tam_video.render.turns import (
    NO_SUBJECT,
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
_STILL_SECONDS = 2.0  # duration of a still picture in each of several passes


@dataclass(frozen=True, slots=True, eq=False)
class ClipClock:
    """The times of the N source frames (float64 [N], increasing), and the end of the last frame."""

    pts_seconds: Float64Array
    end_seconds: float

    @property
    def start_seconds(self) -> float:
        """The presentation time of the first frame."""
        return float(self.pts_seconds[0])

    def edge_seconds(self, frame: int) -> float:
        """Return the start time of a frame, or the end of the clip if `frame` is N."""
        is_end = frame == len(self.pts_seconds)
        return self.end_seconds if is_end else float(self.pts_seconds[frame])


@dataclass(frozen=True, slots=True, eq=False)
class TurnSchedule:
    """The subjects (words or tokens) of a run, and the frames of the clip that show each subject.

    Attributes:
        subjects: one for each turn, at least one.
        bounds: turn k is frames `bounds[k]` up to `bounds[k + 1]`; from 0 to N.
    """

    subjects: tuple[Subject, ...]
    bounds: tuple[int, ...]

    def turn_index(self, frame: int) -> int:
        """Return the index of the subject that is shown at a frame."""
        return min(len(self.subjects), bisect_right(self.bounds, frame)) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One pass over the whole clip. It adds `offset_seconds` to the source's times."""

    schedules: tuple[TurnSchedule, ...]
    offset_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn(Cue):
    """A time range of the annotated clip that shows one subject (words or a token).

    Attributes:
        word_indices: the words, several only where the clip has fewer frames than the answer words.
        token_index: the token, None for words.
    """

    word_indices: tuple[int, ...] = ()
    token_index: int | None = None


def plan_passes(
    explanation: Explanation, options: RenderOptions, clip: ClipClock, *, is_image: bool = False
) -> tuple[Pass, ...]:
    """Return the passes over the clip. The layout "words" has one pass for each word.

    A still picture, `is_image`, is shown longer if there are several passes.

    Raises:
        ConfigError: there is no such word or token.
    """
    if options.layout == "words":
        length = clip.end_seconds - clip.start_seconds
        length = max(length, _STILL_SECONDS) if is_image else length
        subjects = [words_subject(explanation, [word]) for word in shown_words(explanation)]
        return tuple(
            Pass((whole(subject, clip),), index * length)
            for index, subject in enumerate(subjects or [NO_SUBJECT])
        )
    if options.layout == "grid":
        return (Pass((whole(Subject(text=explanation.answer, maps=None), clip),)),)
    return (Pass((schedule_turns(explanation, options, clip),)),)


def whole(subject: Subject, clip: ClipClock) -> TurnSchedule:
    """Return a schedule that shows one subject (words or a token) during the whole clip."""
    return TurnSchedule((subject,), (0, len(clip.pts_seconds)))


def schedule_turns(
    explanation: Explanation, options: RenderOptions, clip: ClipClock
) -> TurnSchedule:
    """Divide the clip equally among the content words, or show only the chosen word or token."""
    chosen = chosen_subject(explanation, options)
    words = shown_words(explanation)
    if chosen is not None or not words:
        return whole(chosen or NO_SUBJECT, clip)
    groups = group_words(words, len(clip.pts_seconds))
    bounds = share_frames(clip.pts_seconds, end_seconds=clip.end_seconds, parts=len(groups))
    return TurnSchedule(tuple(words_subject(explanation, group) for group in groups), tuple(bounds))


def schedule_turns_if_present(
    explanation: Explanation, options: RenderOptions, clip: ClipClock
) -> TurnSchedule:
    """Return `schedule_turns(...)`, or a schedule without a subject if the word is missing."""
    try:
        return schedule_turns(explanation, options, clip)
    except ConfigError:
        if options.show_word is None:
            raise
        return whole(NO_SUBJECT, clip)


def chosen_subject(explanation: Explanation, options: RenderOptions) -> Subject | None:
    """Return the word or token selected in the options, or None if nothing is selected.

    Raises:
        ConfigError: there is no such word or token.
    """
    if options.show_token is not None:
        return token_subject(explanation, options.show_token)
    if options.show_word is not None:
        return words_subject(explanation, [find_word(explanation, options.show_word)])
    return None


def list_turns(
    passes: Sequence[Pass], clip: ClipClock, *, shift_seconds: float
) -> tuple[Turn, ...]:
    """Return the time ranges in which the annotated clip shows each subject of the first run.

    `shift_seconds` is the source's time that is 0 in the annotated clip.
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


def turn_warnings(turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return warnings about words that are shown too briefly or together with other words."""
    if len(turns) == 1:
        return ()
    shortest = min(each.end_seconds - each.start_seconds for each in turns)
    warnings = []
    if max(len(each.word_indices) for each in turns) > 1:
        warnings.append("fewer frames than words: some words share a frame")
    if shortest < _MIN_SHARE_SECONDS:
        warnings.append(f"words are shown for {shortest:.2f} s only: layout 'words' is slower")
    return tuple(warnings)
