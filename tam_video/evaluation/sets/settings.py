"""Settings of an evaluation on a public data set, and the items to measure.

Items are in an order given by the seed: those of a shorter run are the first of a longer run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tam_video.errors import ConfigError
from tam_video.evaluation.score import METRICS
from tam_video.evaluation.sets import SETS
from tam_video.evaluation.sets.base import PublicSet, SetItem, SetQuery
from tam_video.evaluation.settings import (
    CLIPS,
    CLIPS_PER_SEED,
    NAMES,
    MethodSettings,
    check_names,
)
from tam_video.settings.declare import REQUIRED, setting


class SubsetItems(BaseModel):
    """The number and a hash of the items that a folder contains for a subset.

    Attributes:
        count: number of items.
        digest: of their names, questions and answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    digest: str


class SetSettings(MethodSettings):
    """Settings of an evaluation on a data set. `worlds` names subsets, `clips` counts items.

    Attributes:
        dataset: a name of `SETS`.
        fps: 0 for a set that has no frames without times.
        question: empty for a set whose items have questions.
        items: what the folder holds of each subset.
    """

    experiment: ClassVar[str] = "tam_video.evaluation.comparison:PUBLIC_SET"
    known_metrics: ClassVar[tuple[str, ...]] = tuple(METRICS)
    command: ClassVar[str] = "tam-video evaluate"
    identity_excludes: ClassVar[frozenset[str]] = frozenset({"clips", "data"})

    dataset: str
    data: Path = setting(REQUIRED, "Folder with the downloaded data set.", metavar="DIR")
    worlds: tuple[str, ...] = setting(REQUIRED, "Subsets.", flag="--subsets", **NAMES)
    clips: int = setting(CLIPS_PER_SEED, **CLIPS)
    num_frames: int | None = setting(
        None,
        "Maximum number of evenly spread frames per video.",
        metavar="N",
        ge=1,
        unset="the model's own sampling",
    )
    fps: float = setting(0.0, "Frame rate of videos stored as images.", metavar="F", ge=0)
    question: str = setting("", "Question.", metavar="TEXT")
    items: dict[str, SubsetItems] = Field(default_factory=dict)

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> SetSettings:
        """Make the settings from option values, and count the items of the folder.

        The set fills in metrics, subset, rate and question.

        Raises:
            UnknownNameError: a name that is not known.
            ConfigError: a value is not valid, or the set doesn't support a metric.
            DatasetError: the folder does not hold the set.
        """
        name = values["dataset"]
        public = public_set(name)
        filled = {"worlds": public.subsets[:1], "metrics": public.default_metrics, **values}
        check_names("subset", filled["worlds"], public.subsets)
        check_names("metric", filled["metrics"], list(METRICS))
        for metric in filled["metrics"]:
            if metric not in public.metrics:
                raise ConfigError(
                    f"{name} does not support the metric {metric}",
                    hint=f"the supported metrics are {', '.join(public.metrics)}",
                )
        for option, own in (("question", public.question), ("fps", public.fps)):
            if option in filled and not own:
                raise ConfigError(
                    f"--{option} can't be used with {name}: the data set contains this value"
                )
            filled.setdefault(option, own)
        settings = super().make(filled)
        if public.fps and not settings.fps:
            raise ConfigError("--fps must be above 0", hint=f"pass --fps {public.fps:g}")
        items = {subset: _count(set_items(settings, subset)) for subset in settings.worlds}
        return settings.model_copy(update={"items": items})

    def known_worlds(self) -> Collection[str]:
        """Return the names of the set's subsets."""
        return public_set(self.dataset).subsets

    def num_clips(self, world: str) -> int:
        """Return the number of items to measure in a subset."""
        return min(self.clips, self.items[world].count)

    def title(self, world: str | None) -> str:
        """Return the table title for a subset, or for all subsets if `world` is None."""
        return f"{self.dataset}, all subsets" if world is None else f"{self.dataset} {world}"


def public_set(name: str) -> PublicSet:
    """Return a public data set by name."""
    public: PublicSet = SETS.load(name)
    return public


def set_items(settings: SetSettings, subset: str) -> tuple[SetItem, ...]:
    """Return the items of a subset, shuffled by the seed. They are read once per process."""
    query = SetQuery(settings.data, subset, settings.fps, settings.question)
    return _items(settings.dataset, query, settings.seed)


@lru_cache(maxsize=8)
def _items(name: str, query: SetQuery, seed: int) -> tuple[SetItem, ...]:
    items = public_set(name).items(query)
    order = np.random.default_rng(seed).permutation(len(items))
    return tuple(items[index] for index in order)


def _count(items: tuple[SetItem, ...]) -> SubsetItems:
    lines = sorted(repr((item.name, item.question, item.answer)) for item in items)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return SubsetItems(count=len(items), digest=digest)
