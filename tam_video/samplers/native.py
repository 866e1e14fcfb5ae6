"""The sampling rule of the model's own processor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tam_video.samplers.base import Window
from tam_video.types import IntArray


@dataclass(frozen=True, slots=True)
class NativeSampler:
    """Choose frames by the rule of a model adapter.

    Attributes:
        rule: returns source frame numbers of a window.
    """

    rule: Callable[[Window], IntArray]

    def sample(self, window: Window) -> IntArray:
        """Return int64 [T], source frame numbers.

        Raises:
            ValueError: the rule returns nothing, frames outside the window, or decreasing numbers.
        """
        chosen = np.asarray(self.rule(window))
        if chosen.ndim != 1 or not len(chosen) or not np.issubdtype(chosen.dtype, np.integer):
            raise ValueError("a native rule must return a list of frame numbers")
        if not np.isin(chosen, window.indices).all() or (np.diff(chosen) < 0).any():
            raise ValueError("a native rule must return increasing frame numbers of the window")
        return chosen.astype(np.int64)
