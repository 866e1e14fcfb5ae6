"""Interface for pipelines: options, result, and the registry of pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

from tam_video.config import RunConfig
from tam_video.registry import Registry
from tam_video.settings.declare import REQUIRED, Declared, setting
from tam_video.stages import StageProgress

PIPELINES = Registry(
    kind="pipeline",
    targets={
        "video-qa": "tam_video.pipelines.video_qa:VideoQa",
        "annotated-clip": "tam_video.pipelines.annotated_clip:AnnotatedClip",
        "surveillance": "tam_video.pipelines.surveillance:Surveillance",
        "medical": "tam_video.pipelines.medical:Medical",
    },
    group="tam_video.pipelines",
)


QuestionText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A question in a preset."""


class Table(Declared, BaseModel):
    """Base class for the TOML tables of a preset."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PipelineOptions(Table):
    """Keys that every preset has. Each pipeline adds more keys."""

    pipeline: str = setting(REQUIRED, "Name of the pipeline.")
    inputs: tuple[str, ...] = setting(
        REQUIRED,
        "Videos, folders, globs or URLs. Paths in a preset are relative to the preset; "
        "paths on the command line (INPUT) are relative to the working directory.",
        value=("../samples/shapes.mp4",),
        min_length=1,
    )
    output: Path = setting(REQUIRED, "Output folder, relative to the working directory.")
    verify: bool = setting(False, "Check files of finished runs by hash, not only by size.")
    run: RunConfig = setting(
        RunConfig(), "Settings of an explanation; see the options of `tam-video explain`."
    )


WORKERS = setting(
    None,
    "Number of worker processes if there are several clips.",
    unset="one per GPU, or 1 if there is no GPU",
    example=2,
    ge=1,
)
"""The field `workers` of pipelines."""


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """Result of a pipeline.

    Attributes:
        opens: path that a user should open.
        summary: counts and paths as JSON values, for `--json`.
        num_failed: number of inputs that failed; the others are finished.
        warnings: fallbacks taken, and why inputs failed.
    """

    opens: Path
    summary: Mapping[str, Any] = field(default_factory=dict)
    num_failed: int = 0
    warnings: tuple[str, ...] = ()


class Pipeline(Protocol):
    """Interface for pipelines. The class is registered in `PIPELINES` or by an entry point."""

    options_type: ClassVar[type[PipelineOptions]]

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Create the pipeline without opening any input.

        Raises:
            ConfigError: the options contradict each other.
        """

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Process all inputs and return a summary.

        Args:
            force: replace the results of an earlier run; without it, an earlier run is resumed.
            progress: called with stage, done and total.

        Raises:
            TamVideoError: no input can be processed; a single failed input is part of the result.
        """
