"""The models that are measured, by name: `tiny`, and those of `training.build`."""

from __future__ import annotations

from collections.abc import Sequence

from tam_video.datasets.shapes import SHAPES
from training.build import NAMES, SMOL, model_folder
from training.symbolic import PICTURES


def checkpoint(name: str) -> str:
    """Return what `--model` takes for a model; build the model first if it is not there."""
    return str(model_folder(name)) if name in NAMES else name


def noun_groups(name: str) -> Sequence[Sequence[str]]:
    """Return the groups of nouns that a model knows; the nouns of a clip are of one group.

    `late` and the models made from it know some pictograms and signs, but not all of them.
    """
    return (SHAPES, PICTURES) if name == SMOL else (SHAPES,)
