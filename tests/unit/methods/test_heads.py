from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tam_video.errors import ConfigError
from tam_video.methods.heads import Heads, slot_weights
from tam_video.types import VisualLayout

LAYOUTS = (VisualLayout(2, 3, 4, ((0, 1), (2,))), VisualLayout(1, 2, 2, ((0,),)))


def min_max(values: np.ndarray) -> np.ndarray:
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    return (values - low) / (high - low)


def answer(maps: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate([part[2:].reshape(3, -1) for part in maps], axis=1)


def test_by_default_the_middle_layers_are_averaged(probe: Any) -> None:
    result = Heads().explain(probe)
    expected = min_max(probe.middle_attention(of="answer"))
    np.testing.assert_allclose(answer(result.maps), expected, atol=1e-6)
    assert result.cost.forward == 1


def test_chosen_heads_are_averaged(probe: Any) -> None:
    result = Heads(heads=((1, 0), (2, 3))).explain(probe)
    mean = (probe.head_of(1, 0, "answer") + probe.head_of(2, 3, "answer")) / 2
    np.testing.assert_allclose(answer(result.maps), min_max(mean), atol=1e-6)
    assert probe.asked == [(((1, 0), (2, 3)), "answer")]


def test_the_question_weighs_slots_by_its_own_heads(probe: Any) -> None:
    method = Heads(heads=((1, 0),), times="question", time_heads=((3, 1),))
    result = method.explain(probe)
    place = probe.head_of(1, 0, "answer")
    question = probe.head_of(3, 1, "question").mean(axis=0)
    slots = [question[:12].mean(), question[12:24].mean(), question[24:].mean()]
    weights = np.repeat(np.array(slots) / max(slots), [12, 12, 4])
    np.testing.assert_allclose(answer(result.maps), min_max(place * weights), atol=1e-5)
    assert result.cost.forward == 2


def test_options_that_are_not_valid_are_refused() -> None:
    with pytest.raises(ConfigError, match="times"):
        Heads(times="never")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="time_heads"):
        Heads(time_heads=((0, 0),))


@given(arrays(np.float32, 28, elements=st.floats(0, 1, width=32)))
def test_slot_weights_are_shares_of_the_strongest_slot(attention: np.ndarray) -> None:
    weights = slot_weights(attention, LAYOUTS)
    slots = [attention[:12], attention[12:24], attention[24:]]
    means = [float(np.mean(part, dtype=np.float64)) for part in slots]
    for part, mean in zip((weights[:12], weights[12:24], weights[24:]), means, strict=True):
        expected = mean / max(means) if max(means) > 0 else 1.0
        np.testing.assert_allclose(part, expected, atol=1e-9)
    assert weights.max() == 1
    assert weights.min() >= 0
