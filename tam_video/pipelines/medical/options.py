"""Preset options of the medical pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from tam_video.pipelines.base import WORKERS, PipelineOptions, Table
from tam_video.settings.declare import REQUIRED, setting

Side: TypeAlias = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)]
MaskBox: TypeAlias = tuple[Side, Side, Side, Side]
"""Left, top, right, bottom: four integers are pixels, else fractions of width and height."""


class ProtocolQuestion(Table):
    """A question of the protocol."""

    id: Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")] = setting(
        REQUIRED, 'Name of the question in pages and tables: letters, digits, "-" and "_".'
    )
    text: str = setting(REQUIRED, "Question for the model.", min_length=1)
    modality: tuple[str, ...] = setting(
        (),
        'Ask only about files with these modalities: DICOM codes ("US", "XA", "CT"), or "video" '
        "for files that are not DICOM. Empty: ask about all files.",
    )


class MedicalOptions(PipelineOptions):
    """Options of the medical pipeline."""

    inputs: tuple[str, ...] = setting(
        REQUIRED,
        'Files, folders or globs ("echo/*.dcm"). In a folder, DICOM files are found by content. '
        "Paths in a preset are relative to the preset; paths on the command line (INPUT) are "
        "relative to the working directory.",
        value=("../samples/ultrasound.dcm",),
        min_length=1,
    )
    output: Path = setting(
        REQUIRED,
        "Output folder, relative to the working directory. It gets index.html, a page for each "
        "study and a run folder for each answer. All names are pseudonyms.",
        value="medical",
    )
    questions: tuple[ProtocolQuestion, ...] = setting(
        REQUIRED,
        "Questions of the protocol. All are asked about each clip, in the order of this list.",
        value=(
            {"id": "description", "text": "Describe the video."},
            {"id": "motion", "text": "What moves?", "modality": ("US", "video")},
        ),
        min_length=1,
    )
    salt_file: Path = setting(
        Path("~/.config/tam-video/salt"),
        "File with the secret key of all pseudonyms. With the same key, a patient keeps the same "
        "pseudonym. The file is created if missing. Keep it, and store it outside the output "
        "folder. The environment variable TAM_VIDEO_SALT takes precedence.",
    )
    mask: Literal["none", "outside-regions"] = setting(
        "none",
        '"outside-regions" blackens everything outside the ultrasound regions of a file.',
        value="outside-regions",
    )
    mask_boxes: tuple[MaskBox, ...] = setting(
        (),
        "Boxes to blacken in every clip: [left, top, right, bottom] of the source frame. Four "
        "integers are pixels, other numbers are fractions of width and height: "
        "[[0.0, 0.0, 1.0, 0.08]] is the upper 8 %, [[0, 0, 320, 24]] is a banner of 24 rows.",
    )
    crop: Literal["none", "largest-region", "all-regions"] = setting(
        "none",
        'Crop to the largest tissue region ("largest-region"), to the bounding box of all regions '
        '("all-regions"), or not at all ("none").',
        value="largest-region",
    )
    unmasked: Literal["refuse", "warn"] = setting(
        "refuse",
        'What to do with a file that cannot be masked: "refuse" it, or "warn" and use the whole '
        "frame. Such a file has burned-in text (BurnedInAnnotation) but no mask, or lacks the "
        "regions that an option needs.",
    )
    secondary_capture: bool = setting(
        False,
        "Also write the annotated frames as a DICOM file: a multi-frame Secondary Capture with "
        "new UIDs and the pseudonym as patient name.",
    )
    workers: int | None = WORKERS
    timeout_seconds: float | None = setting(
        None, "Time limit for a question.", unset="no limit", example=600.0, gt=0
    )
    retry_failed: bool = setting(False, "Retry questions that failed in an earlier run.")

    @field_validator("questions")
    @classmethod
    def _ids_are_unique(cls, value: tuple[ProtocolQuestion, ...]) -> tuple[ProtocolQuestion, ...]:
        ids = [each.id for each in value]
        repeated = sorted({each for each in ids if ids.count(each) > 1})
        if repeated:
            raise ValueError(f"two questions have the id {repeated[0]}")
        return value

    @field_validator("mask_boxes")
    @classmethod
    def _boxes_are_not_empty(cls, value: tuple[MaskBox, ...]) -> tuple[MaskBox, ...]:
        for left, top, right, bottom in value:
            if not (left < right and top < bottom):
                raise ValueError(
                    "a box must be [left, top, right, bottom] with left < right and top < bottom"
                )
            if not is_in_pixels((left, top, right, bottom)) and max(right, bottom) > 1:
                raise ValueError(
                    "the sides of a box must be four integers (pixels) or fractions from 0.0 to 1.0"
                )
        return value


def is_in_pixels(box: MaskBox) -> bool:
    """Return whether all four sides are integers."""
    return all(isinstance(side, int) for side in box)
