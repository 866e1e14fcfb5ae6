"""What a preset of the medical pipeline may say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tam_video.pipelines.base import PipelineOptions

Side: TypeAlias = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)]
MaskBox: TypeAlias = tuple[Side, Side, Side, Side]
"""left, top, right, bottom: four whole numbers are pixels, else shares of width and height."""


class ProtocolQuestion(BaseModel):
    """One question of the protocol.

    Attributes:
        id: what pages and tables call it.
        text: what the model is asked.
        modality: asked of these only: codes as DICOM writes them ("US"), "video" for a plain one;
            empty for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")
    text: str = Field(min_length=1)
    modality: tuple[str, ...] = ()


class MedicalOptions(PipelineOptions):
    """Settings of the medical pipeline.

    Attributes:
        questions: the protocol, asked of every clip in this order.
        salt_file: the key of all pseudonyms, made where it is missing; TAM_VIDEO_SALT goes first.
        mask: "outside-regions" blackens what lies outside of the ultrasound regions.
        mask_boxes: parts that are blackened; see `MaskBox`.
        crop: to the "largest-region" of tissue, to the box around "all-regions", or "none".
        unmasked: what becomes of a file that has text burnt in and no mask, or for which regions
            are asked and that has none: "refuse" it, or "warn".
        secondary_capture: also write the annotated frames as DICOM.
        workers: processes, each with a model of its own; None for one for each GPU, or one.
        timeout_seconds: longest time for a question; None for any.
        retry_failed: ask again what failed in an earlier run.
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
    def _ids_differ(cls, given: tuple[ProtocolQuestion, ...]) -> tuple[ProtocolQuestion, ...]:
        ids = [each.id for each in given]
        twice = sorted({each for each in ids if ids.count(each) > 1})
        if twice:
            raise ValueError(f"two questions are called {twice[0]}")
        return given

    @field_validator("mask_boxes")
    @classmethod
    def _boxes_hold_something(cls, given: tuple[MaskBox, ...]) -> tuple[MaskBox, ...]:
        for left, top, right, bottom in given:
            if not (left < right and top < bottom):
                raise ValueError("a box is [left, top, right, bottom], with left < right")
            if not is_in_pixels((left, top, right, bottom)) and max(right, bottom) > 1:
                raise ValueError("a box is in pixels (whole numbers) or in shares of 0.0 to 1.0")
        return given


def is_in_pixels(box: MaskBox) -> bool:
    """Whether all four sides are whole numbers."""
    return all(isinstance(side, int) for side in box)
