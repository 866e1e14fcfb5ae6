"""Find sinks while a model runs: visual tokens whose states have an outlying norm.

In many models a few visual tokens, mostly on background, have states with 10 to 1,000 times the
usual norm from an early layer on (arXiv:2510.08510, arXiv:2604.03316). Their logits are unrelated
to the picture, but one of them can set the maximum of a map, and a threshold on the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tam_video.models.capture import hidden_states
from tam_video.models.scores import ROWS_PER_STEP
from tam_video.types import BoolArray, Float64Array, FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

FIRST_LAYER = 2
"""Index of the first layer whose norms are used: the third."""
# Iglewicz and Hoaglin (1993), How to Detect and Handle Outliers: a modified z-score above 3.5.
_MOST_DEVIATIONS = 3.5
_DEVIATIONS_PER_MAD = 1.4826  # of a normal distribution
_LEAST_RATIO = 5.0  # to the median: norms that vary little have no sinks
_LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class RecordedNorms:
    """Norms of the states of the layers from `FIRST_LAYER` on; every call appends to the lists.

    Attributes:
        visual_positions: int64 [V], sequence position of each cell.
        layers: for each layer the norms of each call, float32 [n].
    """

    visual_positions: IntArray
    layers: Sequence[list[Tensor]]

    def sinks(self) -> BoolArray:
        """Return which cells are sinks: bool [V]."""
        import torch

        norms = [torch.cat(calls).cpu().numpy()[self.visual_positions] for calls in self.layers]
        return sink_cells(np.array(norms, np.float32).reshape(-1, len(self.visual_positions)))


@contextmanager
def record_norms(decoder: Any, visual_positions: IntArray) -> Iterator[RecordedNorms]:
    """While the block runs, record the norms of the states up to the last visual token.

    Args:
        decoder: the decoder; the norms are those of its layers' outputs, before the final norm.
        visual_positions: int64 [V], sequence position of each cell.
    """
    num_rows = int(visual_positions.max(initial=-1)) + 1
    layers: list[list[Tensor]] = []
    with ExitStack() as stack:
        for layer in decoder.layers[FIRST_LAYER:]:
            calls: list[Tensor] = []
            layers.append(calls)
            handle = layer.register_forward_hook(_recorder(calls, num_rows))
            stack.callback(handle.remove)
        yield RecordedNorms(visual_positions, layers)


def _recorder(calls: list[Tensor], num_rows: int) -> Any:
    """Return a hook that appends norms until there are `num_rows`."""

    def keep(_module: Any, _args: Any, output: Any) -> None:
        import torch

        if sum(map(len, calls)) < num_rows:
            states = hidden_states(output)[0].detach()
            parts = [states[at : at + ROWS_PER_STEP] for at in range(0, len(states), ROWS_PER_STEP)]
            calls.append(torch.cat([torch.linalg.vector_norm(p.float(), dim=-1) for p in parts]))

    return keep


def sink_cells(norms: FloatArray) -> BoolArray:
    """Find the cells whose states are outliers of the norm in at least half of the layers.

    A state is an outlier if its norm is above 5 times the median over the cells, and above the
    median + 3.5 * 1.4826 * MAD, where MAD is the median absolute deviation (Iglewicz and Hoaglin,
    1993). Sinks stay outliers through most layers (Sun et al., 2024, arXiv:2402.17762), so a
    state that is an outlier in few layers is not one.

    Args:
        norms: float32 [L, V], norms of the states of V cells in L layers, before the final norm.
            NaN is no outlier.

    Returns:
        bool [V]; at most half of the cells of a layer are outliers. Without layers, or where the
        median norm is 0, there are none.

    Raises:
        ValueError: `norms` is not [L, V].
    """
    if norms.ndim != 2:
        raise ValueError(f"norms must be [L, V], not {list(norms.shape)}")
    if not norms.size:
        return np.zeros(norms.shape[1], np.bool_)
    outliers = np.stack([_outliers(layer.astype(np.float64)) for layer in norms])
    return np.asarray(outliers.mean(axis=0) >= _LEAST_SHARE, np.bool_)


def _outliers(norms: Float64Array) -> BoolArray:
    """Return which of the norms of one layer, [V], are outliers: bool [V]."""
    known = norms[~np.isnan(norms)]
    middle = float(np.median(known)) if known.size else 0.0
    if not 0 < middle < np.inf:
        return np.zeros(len(norms), np.bool_)
    spread = float(np.median(np.abs(known - middle)))
    limit = max(_LEAST_RATIO * middle, middle + _MOST_DEVIATIONS * _DEVIATIONS_PER_MAD * spread)
    return np.asarray(norms > limit, np.bool_)
