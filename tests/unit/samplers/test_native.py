"""The model's own rule."""

from __future__ import annotations

import numpy as np
import pytest

from tam_video.samplers import Window
from tam_video.samplers.builtin import NativeSampler


def test_native_passes_the_rule_of_the_model_on(constant: Window) -> None:
    assert NativeSampler(lambda w: w.indices[::50]).sample(constant).tolist() == [0, 50]


@pytest.mark.parametrize("wrong", [[], [5, 4], [100], [0.5], [[1, 2]]])
def test_native_rules_are_checked(wrong: list[object], constant: Window) -> None:
    with pytest.raises(ValueError, match="sampling rule must"):
        NativeSampler(lambda w: np.array(wrong)).sample(constant)
