"""What every ready-made use shares: its options, its result, and the table of names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from tam_video.config import RunConfig
from tam_video.registry import Registry
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


class PipelineOptions(BaseModel):
    """What every preset may say; each pipeline adds its own.

    Attributes:
        pipeline: which one, a name of `PIPELINES`.
        inputs: videos, folders, globs or addresses; a path counts from the preset's folder.
        output: the folder that is written; a path counts from where the command is run.
        run: the settings of an explanation, as the options of `tam-video explain`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pipeline: str
    inputs: tuple[str, ...] = Field(min_length=1)
    output: Path
    run: RunConfig = RunConfig()


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What a pipeline has done.

    Attributes:
        opens: the one path that a person should open.
        summary: figures and paths as JSON values, for `--json`.
        num_failed: inputs that failed; the others are finished.
        warnings: what had to give, in words.
    """

    opens: Path
    summary: Mapping[str, Any] = field(default_factory=dict)
    num_failed: int = 0
    warnings: tuple[str, ...] = ()


class Pipeline(Protocol):
    """A ready-made use. The class is named in `PIPELINES` or by an entry point of its group."""

    options_type: ClassVar[type[PipelineOptions]]

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Make it ready; nothing is opened yet.

        Raises:
            ConfigError: options that make no sense together.
        """

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Do it.

        Args:
            force: replace what an earlier run wrote; without, finished work is gone on with.
            progress: called as the work goes on.

        Raises:
            TamVideoError: nothing can be done; a single failed input is told in the result.
        """
