"""Occlusion: mask a part of the video and measure how much each token's probability falls. Slow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import ClassVar

import numpy as np

from tam_video.errors import ConfigError
from tam_video.methods.base import Cost, ProbeMethod
from tam_video.models.masking import Blank
from tam_video.models.probing import Probe
from tam_video.stages import StepProgress
from tam_video.types import Float64Array

BLOCKS_PER_CALL = 64


@dataclass(frozen=True, slots=True)
class Occlusion(ProbeMethod):
    """How much a token's log-probability falls when the pixels of a block of cells are hidden.

    Source: Zeiler & Fergus, ECCV 2014, arXiv:1311.2901. Blocks tile the grid without overlap; a
    rise counts as 0. It takes one pass a block and one of the whole video.

    Attributes:
        block: slots, rows and columns of cells that are hidden together; (1, 1, 1) is every cell.
        blank: what replaces hidden pixels.
        batch_size: masked videos per pass.
        progress: called with the blocks done and their total, over all inputs.
    """

    block: tuple[int, int, int] = (1, 2, 2)
    blank: Blank = "mean"
    batch_size: int = 8
    progress: StepProgress | None = field(default=None, compare=False)
    name: ClassVar[str] = "occlusion"
    cost: ClassVar[Cost] = "N passes"

    def __post_init__(self) -> None:
        if min(self.block) < 1 or self.batch_size < 1:
            raise ConfigError("the block size and the batch size must be 1 or more")

    def cell_scores(self, probe: Probe) -> Float64Array:
        """Compute scores >= 0 with one forward pass per block: float64 [J, V]."""
        layouts = probe.generation.layouts
        blocks = [list(tiles(layout.shape, self.block)) for layout in layouts]
        total = sum(map(len, blocks))
        whole = np.ones((1, *layouts[0].shape), dtype=np.bool_)
        shown = probe.score_masked(whole, blank=self.blank)[0]
        falls, done = [], 0
        for number, parts in enumerate(blocks):
            falls.append(self._falls(probe, number, parts, shown=shown, done=done, total=total))
            done += len(parts)
        return np.concatenate(falls, axis=1)

    def _falls(
        self,
        probe: Probe,
        number: int,
        blocks: list[tuple[slice, slice, slice]],
        *,
        shown: Float64Array,
        done: int,
        total: int,
    ) -> Float64Array:
        """Compute how far the log-probabilities fall for one input: float64 [J, t*h*w]."""
        shape = probe.generation.layouts[number].shape
        falls = np.zeros((len(shown), *shape))
        for start in range(0, len(blocks), BLOCKS_PER_CALL):
            group = blocks[start : start + BLOCKS_PER_CALL]
            keep = np.ones((len(group), *shape), dtype=np.bool_)
            for mask, block in zip(keep, group, strict=True):
                mask[block] = False
            hidden = probe.score_masked(
                keep, number=number, blank=self.blank, batch_size=self.batch_size
            )
            for block, scores in zip(group, hidden, strict=True):
                falls[(slice(None), *block)] = np.maximum(shown - scores, 0)[:, None, None, None]
            done += len(group)
            if self.progress is not None:
                self.progress(done, total)
        return falls.reshape(len(shown), -1)


def tiles(
    shape: tuple[int, int, int], block: tuple[int, int, int]
) -> Iterator[tuple[slice, slice, slice]]:
    """Yield the blocks that tile a grid [t, h, w]; blocks at the end may be smaller."""
    starts = [range(0, size, step) for size, step in zip(shape, block, strict=True)]
    for t, h, w in product(*starts):
        yield slice(t, t + block[0]), slice(h, h + block[1]), slice(w, w + block[2])
