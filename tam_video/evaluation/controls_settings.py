"""What may be asked of the controls: their parts, where maps come from, and what chance is.

A value of a clip has the name `SOURCE:METRIC`: the metric of a method's maps when they come from
that source, scored against the truth of the clip as it is. Chance is what the same maps score
against the objects of other clips of the world: a map of the same size and smoothness, and objects
where objects tend to be, that have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from tam_video.evaluation.score import METRICS
from tam_video.evaluation.settings import CLIPS_PER_SEED, EvaluationSettings, Identity

Part: TypeAlias = Literal["controls", "cascade", "lds", "flips"]

TRUE = "true"
NO_WEIGHTS = "random weights"
CONTROLS: Mapping[str, str] = {
    "smoothed": "the true map, in every slot its mean over time: a filter that only smooths",
    "swapped": "the same answer on the next clip's frames",
    "shuffled": "the same answer on the clip's frames in random order, slots taken as shown",
    "blank": "the same answer on frames of one colour",
    NO_WEIGHTS: "the same answer by a model of noise, vision tower and embeddings included",
}
CASCADE: Mapping[str, float] = {"top 25 %": 0.25, "top 50 %": 0.5, "top 75 %": 0.75, "decoder": 1.0}
"""Which share of the decoder's layers is replaced by noise, from the top; `NO_WEIGHTS` follows."""

CHANCE: tuple[str, ...] = ("random", "centre")
"""Methods that know nothing of the clip."""
LEVELS: Mapping[str, float] = {"auc": 0.5, "temporal_auc": 0.5}
"""What noise scores on average, where that is the same for every clip."""
NUM_OTHER_CLIPS = 4
"""Other clips whose objects each word is scored against by chance."""
SPEARMAN = "spearman"
CONTROL_METRICS: tuple[str, ...] = (
    "auc",
    "temporal_auc",
    "viou",
    "obj_iou",
    "energy",
    "pointing",
    "jf",
    "coherence",
    "tiou",
    "iop",
    "temporal_energy",
)
"""Metrics of where and when a map is hot; curves and function words ask something else."""


def chance_of(source: str) -> str:
    """The source's name when its maps are scored against objects of other clips."""
    return f"chance of {source}"


def compared(metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics that are good one way or the other, and so compare with chance."""
    return tuple(name for name in metrics if METRICS[name].better != "neither")


class ControlSettings(EvaluationSettings):
    """Settings of the controls; fields that are not named here are those of `EvaluationSettings`.

    Attributes:
        metrics: names of `CONTROL_METRICS`.
        clips: number of clips of each world.
        steps: steps of progressive deletion under a yes or no.
        parts: what is measured: "controls", "cascade" (of weight randomisation), "lds", "flips".
        masks: random masks of a clip for the linear datamodeling score.
        keep_share: share of the cells that such a mask keeps.
    """

    known_metrics: ClassVar[tuple[str, ...]] = CONTROL_METRICS
    command: ClassVar[str] = "tam-video evaluate controls"

    metrics: tuple[str, ...] = Field(
        default=("auc", "temporal_auc", "viou", "energy", "pointing", "coherence", "tiou"),
        min_length=1,
    )
    clips: int = Field(default=50, ge=1, le=CLIPS_PER_SEED)
    parts: tuple[Part, ...] = Field(default=("controls", "cascade"), min_length=1)
    masks: int = Field(default=32, ge=3)
    keep_share: float = Field(default=0.5, gt=0, lt=1)

    @field_validator("parts")
    @classmethod
    def _in_order(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(part for part in get_args(Part) if part in parts)

    @property
    def explained(self) -> tuple[str, ...]:
        """The methods in question, then those of chance."""
        return (*self.methods, *(name for name in CHANCE if name not in self.methods))

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the maps of a method in question come from, in the order of the tables."""
        if not {"controls", "cascade"}.intersection(self.parts):
            return ()
        controls = [name for name in CONTROLS if name != NO_WEIGHTS and "controls" in self.parts]
        stages = CASCADE if "cascade" in self.parts else ()
        return (TRUE, *controls, *stages, NO_WEIGHTS)

    def identity(self) -> Identity:
        """What a clip's values depend on, as `EvaluationSettings.identity`."""
        return {**super().identity(), "evaluation": "controls"}
