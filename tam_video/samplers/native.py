"""The rule of the model itself: how its own processor would choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tam_video.samplers.base import Window
from tam_video.types import IntArray


@dataclass(frozen=True, slots=True)
class NativeSampler:
    """Asks a model adapter.

    Attributes:
        rule: the adapter's choice: source frame numbers for a window.
    """

    rule: Callable[[Window], IntArray]

    def sample(self, window: Window) -> IntArray:
        """int64 [T]: source frame numbers.

        Raises:
            ValueError: the rule chose nothing, frames outside the window, or goes back.
        """
        chosen = np.asarray(self.rule(window))
        if chosen.ndim != 1 or not len(chosen) or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError("a native rule gives a list of frame numbers")
        if not np.isin(chosen, window.indices).all() or (np.diff(chosen) < 0).any():
            raise ValueError("a native rule gives increasing frame numbers of the window")
        return chosen.astype(np.int64)
