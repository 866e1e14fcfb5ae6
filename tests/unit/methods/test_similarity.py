from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tam_video.errors import ConfigError
from tam_video.methods.similarity import ContextualLens, cosines

STATES = arrays(np.float32, (3, 4), elements=st.floats(-1e3, 1e3, width=32))


@given(STATES, STATES)
def test_cosines_are_products_over_lengths(tokens: np.ndarray, cells: np.ndarray) -> None:
    result = cosines(tokens, cells)
    for j, v in np.ndindex(3, 3):
        left, right = tokens[j].astype(np.float64), cells[v].astype(np.float64)
        lengths = np.sqrt((left * left).sum()) * np.sqrt((right * right).sum())
        expected = float((left * right).sum() / lengths) if lengths > 0 else 0.0
        assert result[j, v] == pytest.approx(expected, abs=1e-9)
    assert np.abs(result).max() <= 1


def test_length_does_not_matter_and_states_of_0_are_0() -> None:
    rng = np.random.default_rng(0)
    tokens, cells = rng.normal(size=(2, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(cosines(8 * tokens, cells / 4), cosines(tokens, cells), atol=1e-9)
    assert not cosines(tokens, np.zeros_like(cells)).any()


def test_layer_and_state_reach_the_probe(probe: Any) -> None:
    result = ContextualLens(layer=2, state="prediction").explain(probe)
    assert probe.asked == [(2, "prediction")]
    assert (result.cost.forward, result.cost.backward) == (1, 0)
    scores = cosines(probe.slopes[:, 0], probe.states)
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    answer = np.concatenate([part[2:].reshape(3, -1) for part in result.maps], axis=1)
    np.testing.assert_allclose(answer, (scores - low) / (high - low), atol=1e-6)


def test_a_state_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="state"):
        ContextualLens(state="next")  # type: ignore[arg-type]
