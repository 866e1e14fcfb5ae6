"""Settings of an evaluation on a public set, and the items that they name.

Clips are items here, and worlds are subsets. Items are put in an order that the seed tells, so that
the items of a shorter run are the first ones of a longer run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tam_video.errors import ConfigError
from tam_video.evaluation.score import METRICS
from tam_video.evaluation.sets import SETS
from tam_video.evaluation.sets.base import PublicSet, SetItem, SetQuery
from tam_video.evaluation.settings import (
    CLIPS_PER_SEED,
    EvaluationSettings,
    Identity,
    check_names,
    checked_settings,
)


class SubsetItems(BaseModel):
    """What a folder holds of a subset.

    Attributes:
        count: number of items.
        digest: of their names, questions and answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    digest: str


class SetSettings(EvaluationSettings):
    """Settings of one set; fields that are not named here are those of `EvaluationSettings`.

    Attributes:
        dataset: a name of `SETS`.
        data: folder with the set.
        worlds: subsets of it.
        clips: items of each subset at most.
        num_frames: frames of each video at most, evenly spread; None for the model's own rule.
        fps: rate of frames without times; 0 for a set that has none.
        question: what is asked where items ask nothing; empty for a set whose items do.
        items: what the folder holds of each subset.
    """

    known_metrics: ClassVar[tuple[str, ...]] = tuple(METRICS)
    command: ClassVar[str] = "tam-video evaluate"

    dataset: str
    data: Path
    split: Literal["train", "dev", "test"] = Field(default="test", exclude=True)
    clips: int = Field(default=CLIPS_PER_SEED, ge=1, le=CLIPS_PER_SEED)
    num_frames: int | None = Field(default=None, ge=1)
    fps: float = Field(default=0.0, ge=0)
    question: str = ""
    items: dict[str, SubsetItems] = Field(default_factory=dict)

    def known_worlds(self) -> Collection[str]:
        """The subsets of the set."""
        return public_set(self.dataset).subsets

    def num_clips(self, world: str) -> int:
        """Items of a subset that are measured."""
        return min(self.clips, self.items[world].count)

    def title(self, world: str | None) -> str:
        """What a table of a subset is called, or of all."""
        return f"{self.dataset}, all subsets" if world is None else f"{self.dataset} {world}"

    def identity(self) -> Identity:
        """What an item's values depend on; the folder's place is no part of it."""
        told = super().identity()
        del told["data"]
        return told


def make_set_settings(name: str, values: Mapping[str, Any]) -> SetSettings:
    """Check plain values, read which items there are, and make the settings.

    Args:
        name: of the set.
        values: what was asked; the set fills in metrics, subset, rate and question.

    Raises:
        UnknownNameError: a name that is not known.
        ConfigError: a value makes no sense, or the set can't tell a metric.
        DatasetError: the folder is not that set.
    """
    public = public_set(name)
    asked = {"worlds": public.subsets[:1], "metrics": public.default_metrics, **values}
    check_names("subset", asked["worlds"], public.subsets)
    check_names("metric", asked["metrics"], list(METRICS))
    for metric in asked["metrics"]:
        if metric not in public.metrics:
            raise ConfigError(
                f"{name} can't tell {metric}", hint=f"it tells: {', '.join(public.metrics)}"
            )
    for option, own in (("question", public.question), ("fps", public.fps)):
        if option in asked and not own:
            raise ConfigError(f"--{option} is not for {name}: its items tell it themselves")
        asked.setdefault(option, own)
    settings = checked_settings({**asked, "dataset": name}, SetSettings)
    if public.fps and not settings.fps:
        raise ConfigError("--fps must be above 0", hint=f"leave it out for {public.fps:g}")
    items = {subset: _told(set_items(settings, subset)) for subset in settings.worlds}
    return settings.model_copy(update={"items": items})


def public_set(name: str) -> PublicSet:
    """A set by name.

    Raises:
        UnknownNameError: there is no such set.
    """
    found: PublicSet = SETS.load(name)
    return found


def set_items(settings: SetSettings, subset: str) -> tuple[SetItem, ...]:
    """The items of a subset in the order of the seed; read once in a process.

    Raises:
        DatasetError: the folder is not that set.
    """
    query = SetQuery(settings.data, subset, settings.fps, settings.question)
    return _items(settings.dataset, query, settings.seed)


@lru_cache(maxsize=8)
def _items(name: str, query: SetQuery, seed: int) -> tuple[SetItem, ...]:
    items = public_set(name).items(query)
    order = np.random.default_rng(seed).permutation(len(items))
    return tuple(items[place] for place in order)


def _told(items: tuple[SetItem, ...]) -> SubsetItems:
    lines = sorted(repr((item.name, item.question, item.answer)) for item in items)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return SubsetItems(count=len(items), digest=digest)
