"""Chance baselines: random maps, and a Gaussian at the centre of the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tam_video.errors import ConfigError
from tam_video.methods.base import (
    Cost,
    Evidence,
    MethodMaps,
    answer_of,
    generation_of,
    scaled_maps,
)
from tam_video.types import Float64Array, VisualLayout


@dataclass(frozen=True, slots=True)
class Random:
    """Uniform noise that differs between tokens and is reproducible from the seed.

    Attributes:
        seed: seed of the noise, 0 or more.
    """

    seed: int = 0
    name: ClassVar[str] = "random"
    cost: ClassVar[Cost] = "one pass"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"seed must be 0 or more, not {self.seed}")

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Compute the maps of the answer tokens."""
        generation = generation_of(evidence)
        shape = (len(answer_of(generation)), len(generation.visual_positions))
        scores = np.random.default_rng(self.seed).random(shape)
        return MethodMaps(self.name, scaled_maps(scores, generation))


@dataclass(frozen=True, slots=True)
class Centre:
    """A Gaussian at the centre of the frame. It is the same for all slots and tokens.

    Attributes:
        sigma: standard deviation as a share of the picture's width and height, above 0.
    """

    sigma: float = 0.25
    name: ClassVar[str] = "centre"
    cost: ClassVar[Cost] = "one pass"

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise ConfigError(f"sigma must be above 0, not {self.sigma}")

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Compute the maps of the answer tokens."""
        generation = generation_of(evidence)
        cells = [central(layout, sigma=self.sigma).ravel() for layout in generation.layouts]
        row = np.concatenate(cells)
        scores = np.broadcast_to(row, (len(answer_of(generation)), len(row)))
        return MethodMaps(self.name, scaled_maps(scores, generation))


def central(layout: VisualLayout, *, sigma: float) -> Float64Array:
    """Compute a Gaussian around the picture's centre at each cell: float64 [t, h, w] in (0, 1]."""
    columns = [layout.cell_box(0, column, width=1, height=1) for column in range(layout.w)]
    rows = [layout.cell_box(row, 0, width=1, height=1) for row in range(layout.h)]
    x = np.array([(left + right) / 2 - 0.5 for left, _, right, _ in columns])
    y = np.array([(top + bottom) / 2 - 0.5 for _, top, _, bottom in rows])
    plane = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * sigma**2))
    return np.broadcast_to(plane, layout.shape).astype(np.float64)
