"""The models that are measured, by name: `tiny`, and those of `training.build`."""

from __future__ import annotations

from collections.abc import Sequence

from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import SHAPES, Split
from tam_video.datasets.worlds import make_clip
from training.build import NAMES, SMOL, model_folder
from training.symbolic import PICTURES


def checkpoint(name: str) -> str:
    """Return what `--model` takes for a model; build the model first if it is not there."""
    return str(model_folder(name)) if name in NAMES else name


def known_nouns(name: str, seed: int) -> Sequence[str]:
    """Return the nouns of the clip for a seed: one of the groups of nouns that a model knows.

    `late` and the models made from it know some pictograms and signs, but not all of them.
    """
    groups = (SHAPES, PICTURES) if name == SMOL else (SHAPES,)
    return groups[seed % len(groups)]


def known_clip(
    name: str, seed: int, *, split: Split = "test", num_objects: int | None = None
) -> SceneClip:
    """Make the clip for a seed with nouns that a model knows."""
    nouns = known_nouns(name, seed)
    return make_clip(seed, split=split, num_objects=num_objects, shapes=nouns)
