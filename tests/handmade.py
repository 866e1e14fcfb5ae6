"""Methods that know the clips of the look-alike sets: what is right, and its opposite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from lookalikes import STEP, clip_of, seed_of
from numpy.typing import NDArray

from tam_video.datasets.cells import cell_masks
from tam_video.datasets.scene import SceneClip
from tam_video.methods import MethodMaps
from tam_video.methods.base import Cost
from tam_video.models.probing import Probe
from tam_video.tam import join_words

FAINT = 1e-8


def true_maps(probe: Probe) -> NDArray[np.float32]:
    """float32 [M, t, h, w]: tokens of a name show the cells of its objects, all others nothing.

    Beside an object a name shows next to nothing, so that its Otsu threshold is above nothing.
    """
    generation, batch = probe.generation, probe.batches[0]
    clip = clip_of(seed_of(batch.info.path.stem))
    step = 1 if batch.info.path.suffix == ".mp4" else STEP
    cells = cell_masks(clip, generation.layouts[0], batch.indices * step)
    maps = np.zeros((len(generation.tokens), *cells.shape[1:]), np.float32)
    for word in join_words(generation.tokens):
        objects = named(clip, generation.answer, word.text)
        if objects.any():
            maps[list(word.token_indices)] = np.maximum(cells[objects].any(axis=0), FAINT)
    return maps


def named(clip: SceneClip, answer: str, word: str) -> NDArray[np.bool_]:
    """bool [objects]: the one that is the whole answer; else those whose shape is the word."""
    whole = [item.name == answer.removeprefix("the ") for item in clip.objects]
    return np.array(whole if any(whole) else [item.shape == word for item in clip.objects])


@dataclass(frozen=True)
class Oracle:
    name: ClassVar[str] = "oracle"
    cost: ClassVar[Cost] = "one pass"

    def explain(self, evidence: Probe) -> MethodMaps:
        return MethodMaps(self.name, (true_maps(evidence),))


@dataclass(frozen=True)
class Opposite:
    name: ClassVar[str] = "opposite"
    cost: ClassVar[Cost] = "one pass"

    def explain(self, evidence: Probe) -> MethodMaps:
        return MethodMaps(self.name, (1 - true_maps(evidence),))
