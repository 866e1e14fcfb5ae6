"""Preset options of the medical pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from tam_video.pipelines.base import PipelineOptions, Table

Side: TypeAlias = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)]
MaskBox: TypeAlias = tuple[Side, Side, Side, Side]
"""Left, top, right, bottom: four integers are pixels, else fractions of width and height."""


class ProtocolQuestion(Table):
    """One question of the protocol.

    Attributes:
        id: name of the question in pages and tables.
        text: question for the model.
        modality: modalities that the question is for: codes as in DICOM ("US"), or "video" for a
            file that is not DICOM; empty for all.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")
    text: str = Field(min_length=1)
    modality: tuple[str, ...] = ()


class MedicalOptions(PipelineOptions):
    """Options of the medical pipeline.

    Attributes:
        questions: the protocol, asked about every clip in this order.
        salt_file: key of all pseudonyms, created if missing; TAM_VIDEO_SALT takes precedence.
        mask: "outside-regions" blackens everything outside the ultrasound regions.
        mask_boxes: boxes to blacken; see `MaskBox`.
        crop: crop to the "largest-region" of tissue, to the bounding box of "all-regions", or
            "none".
        unmasked: whether to "refuse" or to "warn" about a file that has burned-in text and no
            mask, or that has no regions although a region option is set.
        secondary_capture: also write the annotated frames as DICOM.
        workers: number of processes, each with its own model; None for one per GPU, or one.
        timeout_seconds: time limit for a question; None for no limit.
        retry_failed: retry questions that failed in an earlier run.
    """

    questions: tuple[ProtocolQuestion, ...] = Field(min_length=1)
    salt_file: Path = Path("~/.config/tam-video/salt")
    mask: Literal["none", "outside-regions"] = "none"
    mask_boxes: tuple[MaskBox, ...] = ()
    crop: Literal["none", "largest-region", "all-regions"] = "none"
    unmasked: Literal["refuse", "warn"] = "refuse"
    secondary_capture: bool = False
    workers: int | None = Field(default=None, ge=1)
    timeout_seconds: float | None = Field(default=None, gt=0)
    retry_failed: bool = False

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
                raise ValueError("a box is [left, top, right, bottom], with left < right")
            if not is_in_pixels((left, top, right, bottom)) and max(right, bottom) > 1:
                raise ValueError("a box is in pixels (integers) or in fractions of 0.0 to 1.0")
        return value


def is_in_pixels(box: MaskBox) -> bool:
    """Return whether all four sides are integers."""
    return all(isinstance(side, int) for side in box)
