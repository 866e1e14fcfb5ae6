"""Clips and answers, grouped by study: what the pages and `studies.json` tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tam_video.pipelines.medical.intake import MedicalClip


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said to one question of the protocol.

    Attributes:
        clip: pseudonym of the clip.
        question_id: name of the question.
        question: its text.
        run: name of the run folder; empty if it failed.
        answer: what was said.
        error: why it failed; empty if it did not.
        dicom: name of the Secondary Capture object; empty if none was written.
    """

    clip: str
    question_id: str
    question: str
    run: str = ""
    answer: str = ""
    error: str = ""
    dicom: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be taken in.

    Attributes:
        input: what messages call it.
        error: kind and message.
        hint: what to do.
    """

    input: str
    error: str
    hint: str


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer with its addresses, relative to the page of a study."""

    question_id: str
    question: str
    answer: str
    error: str
    report: str
    dicom: str


@dataclass(frozen=True, slots=True)
class ShownClip:
    """A clip with its answers; `thumb` is relative to the page of a study, or empty."""

    facts: MedicalClip
    thumb: str
    answers: tuple[ShownAnswer, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """A study under its pseudonym.

    Attributes:
        study: its pseudonym.
        patient: that of its patient; empty where none is named.
        clips: in the order of the inputs.
        thumb: a picture of it, relative to the index; empty if there is none.
        num_answers: questions that were answered.
        num_failed: questions that failed.
    """

    study: str
    patient: str
    clips: tuple[ShownClip, ...]
    thumb: str
    num_answers: int
    num_failed: int


def group_by_study(
    clips: Iterable[MedicalClip], answers: Sequence[Answer], *, output: Path, runs: str, dicom: str
) -> list[Study]:
    """Studies in the order of their first clip.

    Args:
        clips: all clips.
        answers: all answers.
        output: the pipeline's folder.
        runs: folder of the run folders, relative to it.
        dicom: folder of the DICOM objects, relative to it.
    """
    groups: dict[str, list[MedicalClip]] = {}
    for clip in clips:
        groups.setdefault(clip.study, []).append(clip)
    return [
        _study(group, answers, output=output, runs=runs, dicom=dicom) for group in groups.values()
    ]


def _study(
    clips: Sequence[MedicalClip], answers: Sequence[Answer], *, output: Path, runs: str, dicom: str
) -> Study:
    shown, thumbs = [], []
    for clip in clips:
        own = [answer for answer in answers if answer.clip == clip.clip]
        pictures = [f"{runs}/{each.run}/thumb.jpg" for each in own if each.run]
        thumb = next((each for each in pictures if (output / each).is_file()), "")
        thumbs.append(thumb)
        rows = tuple(_shown(each, runs=runs, dicom=dicom) for each in own)
        shown.append(ShownClip(clip, f"../{thumb}" if thumb else "", rows))
    rows = tuple(row for each in shown for row in each.answers)
    num_failed = sum(bool(row.error) for row in rows)
    return Study(
        study=clips[0].study,
        patient=next((clip.patient for clip in clips if clip.patient), ""),
        clips=tuple(shown),
        thumb=next(filter(None, thumbs), ""),
        num_answers=len(rows) - num_failed,
        num_failed=num_failed,
    )


def _shown(answer: Answer, *, runs: str, dicom: str) -> ShownAnswer:
    return ShownAnswer(
        question_id=answer.question_id,
        question=answer.question,
        answer=answer.answer,
        error=answer.error,
        report=f"../{runs}/{answer.run}/report.html" if answer.run else "",
        dicom=f"../{dicom}/{answer.dicom}" if answer.dicom else "",
    )
