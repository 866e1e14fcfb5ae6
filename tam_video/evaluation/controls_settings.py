"""Settings of the control experiments: their parts, map sources and chance baselines.

A value of a clip has the name `SOURCE:METRIC`: the metric of a method's maps when they come from
that source, scored against the ground truth of the clip itself. Chance is the score of the same
maps against the objects of other clips of the world: maps of the same size and smoothness, and
objects in typical positions, that are unrelated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias, get_args

from pydantic import field_validator

from tam_video.evaluation.score import METRICS
from tam_video.evaluation.settings import CLIPS, NAMES, ShapesSettings
from tam_video.settings.declare import setting

Part: TypeAlias = Literal["controls", "cascade", "lds", "flips"]

TRUE = "true"
NO_WEIGHTS = "random weights"
CONTROLS: Mapping[str, str] = {
    "smoothed": "the true map, averaged over time in every slot: a filter that only smooths",
    "swapped": "the same answer on the next clip's frames",
    "shuffled": "the same answer on the clip's frames in random order, slots in the order shown",
    "blank": "the same answer on frames of one colour",
    NO_WEIGHTS: "the same answer by a model with random weights, vision tower included",
}
CASCADE: Mapping[str, float] = {"top 25 %": 0.25, "top 50 %": 0.5, "top 75 %": 0.75, "decoder": 1.0}
"""Share of the decoder's layers that is randomised, from the top; `NO_WEIGHTS` follows."""

CHANCE: tuple[str, ...] = ("random", "centre")
"""Methods that don't look at the clip."""
LEVELS: Mapping[str, float] = {"auc": 0.5, "temporal_auc": 0.5}
"""Expected score of noise, where it is the same for every clip."""
NUM_OTHER_CLIPS = 4
"""Other clips against whose objects each word is scored for chance."""
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
"""Metrics of the position of a map in space and time; not curves, and not function words."""


def chance_of(source: str) -> str:
    """Return the name under which the chance scores of a source are stored."""
    return f"chance of {source}"


def compared(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the metrics for which higher or lower is better. Only these have a chance score."""
    return tuple(name for name in metrics if METRICS[name].better != "neither")


class ControlSettings(ShapesSettings):
    """Settings of the control experiments."""

    experiment: ClassVar[str] = "tam_video.evaluation.controls:CONTROL_EXPERIMENT"
    command: ClassVar[str] = "tam-video evaluate controls"
    kind: ClassVar[str] = "controls"
    known_metrics: ClassVar[tuple[str, ...]] = CONTROL_METRICS

    metrics: tuple[str, ...] = setting(
        ("auc", "temporal_auc", "viou", "energy", "pointing", "coherence", "tiou"),
        "Metrics by which the maps are scored.",
        **NAMES,
    )
    clips: int = setting(50, **CLIPS)
    parts: tuple[Part, ...] = setting(
        ("controls", "cascade"), "Parts of the experiment: controls, cascade, lds, flips.", **NAMES
    )
    masks: int = setting(32, "Number of random masks per clip (part lds).", metavar="N", ge=3)
    keep_share: float = setting(
        0.5, "Share of the cells that a random mask keeps.", metavar="F", gt=0, lt=1
    )

    @field_validator("parts")
    @classmethod
    def _in_order(cls, parts: tuple[Part, ...]) -> tuple[Part, ...]:
        return tuple(part for part in get_args(Part) if part in parts)

    @property
    def explained(self) -> tuple[str, ...]:
        """The methods under test, followed by the chance baselines."""
        return (*self.methods, *(name for name in CHANCE if name not in self.methods))

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of maps for a method under test, in the order of the tables."""
        if not {"controls", "cascade"}.intersection(self.parts):
            return ()
        controls = [name for name in CONTROLS if name != NO_WEIGHTS and "controls" in self.parts]
        stages = CASCADE if "cascade" in self.parts else ()
        return (TRUE, *controls, *stages, NO_WEIGHTS)
