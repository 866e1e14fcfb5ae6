"""Group clips and answers by study, and write the HTML pages.

Pages escape all text, run no script and load nothing from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tam_video.pipelines.medical.intake import MedicalClip
from tam_video.report.page import plain_page
from tam_video.types import Calibration
from tam_video.workspace.files import atomic_write

INDEX = "index.html"
STUDIES = "studies"
NOTICE = (
    "Not a medical device. For research only: answers and maps must not be used for diagnosis, "
    "treatment or triage."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question about a clip, or an error message.

    `report` links to the report of the run and `dicom` to the Secondary Capture object, if they
    exist, both relative to the page of a study.
    """

    question_id: str
    question: str
    answer: str = ""
    error: str = ""
    report: str = ""
    dicom: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that could not be imported, with the error message and a hint."""

    input: str
    error: str
    hint: str


@dataclass(frozen=True, slots=True)
class StudyClip:
    """A clip and its answers. `thumb` is a path relative to the study page, or empty."""

    facts: MedicalClip
    thumb: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """A study: its pseudonyms, its clips, and the numbers of answered and of failed questions.

    `patient` is empty if the files name none; `thumb` is relative to the index, or empty.
    """

    study: str
    patient: str
    clips: tuple[StudyClip, ...]
    thumb: str
    num_answers: int
    num_failed: int


def group_by_study(
    clips: Iterable[MedicalClip], answers: Mapping[str, Sequence[Answer]], *, output: Path
) -> list[Study]:
    """Group clips and answers by study. Studies are in the order of their first clips.

    Args:
        clips: all clips.
        answers: pseudonym of a clip -> its answers.
        output: output folder of the pipeline.
    """
    groups: dict[str, list[MedicalClip]] = {}
    for clip in clips:
        groups.setdefault(clip.study, []).append(clip)
    return [_study(group, answers, output) for group in groups.values()]


def _study(
    clips: Sequence[MedicalClip], answers: Mapping[str, Sequence[Answer]], output: Path
) -> Study:
    shown = []
    for clip in clips:
        rows = tuple(answers.get(clip.clip, ()))
        thumbs = [f"{row.report.rpartition('/')[0]}/thumb.jpg" for row in rows if row.report]
        thumb = next((t for t in thumbs if (output / t.removeprefix("../")).is_file()), "")
        shown.append(StudyClip(clip, thumb, rows))
    failed = [bool(row.error) for each in shown for row in each.answers]
    return Study(
        study=clips[0].study,
        patient=next((clip.patient for clip in clips if clip.patient), ""),
        clips=tuple(shown),
        thumb=next((each.thumb.removeprefix("../") for each in shown if each.thumb), ""),
        num_answers=len(failed) - sum(failed),
        num_failed=sum(failed),
    )


def write_pages(
    output: Path,
    studies: Sequence[Study],
    failed: Sequence[Failure],
    *,
    skipped: int,
    calibration: Calibration | None = None,
) -> Path:
    """Write one page per study and the index, and return the path of the index.

    Args:
        output: output folder of the pipeline.
        studies: studies to show.
        failed: inputs that could not be imported.
        skipped: number of files without pixels.
        calibration: of the model that answered.

    Raises:
        ExportError: a page can't be written.
    """
    shown = {"calibrations": [calibration]}
    for study in studies:
        page = _page("study.html", **shown, title=f"Study {study.study}", study=study)
        atomic_write(output / STUDIES / f"{study.study}.html", page)
    page = _page(INDEX, **shown, title="Studies", studies=studies, failed=failed, skipped=skipped)
    return atomic_write(output / INDEX, page)


def _page(template: str, **values: Any) -> str:
    page = plain_page(
        template,
        package="tam_video.pipelines.medical",
        style="study.css",
        notice=NOTICE.removeprefix("Not a medical device. "),
        **values,
    )
    return page.html
