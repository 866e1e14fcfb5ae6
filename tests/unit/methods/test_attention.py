from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tam_video.errors import ConfigError
from tam_video.methods.attention import Attention, AttentionRollout, Contrast


def min_max(values: np.ndarray) -> np.ndarray:
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    return (values - low) / (high - low)


def answer(maps: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate([part[2:].reshape(3, -1) for part in maps], axis=1)


@pytest.mark.parametrize(("asked", "used"), [(1, 1), (2, 2), (9, 3)])
def test_attention_is_the_mean_of_the_last_layers(probe: Any, asked: int, used: int) -> None:
    result = answer(Attention(asked).explain(probe).maps)
    mean = sum(rows[0] for rows in probe.rows[-used:]) / used
    expected = min_max(mean[:, probe.generation.visual_positions])
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_attention_needs_a_layer() -> None:
    with pytest.raises(ConfigError):
        Attention(0)


def test_rollout_is_scaled_over_all_inputs(probe: Any) -> None:
    result = AttentionRollout().explain(probe)
    np.testing.assert_allclose(answer(result.maps), min_max(probe.rollouts[0]), atol=1e-6)
    assert (result.cost.forward, result.cost.backward) == (1, 0)


def test_contrast_takes_away_what_the_background_question_sees(probe: Any) -> None:
    result = Contrast("what is behind?").explain(probe)
    own, behind = (rollout / rollout.sum(axis=1, keepdims=True) for rollout in probe.rollouts)
    expected = min_max(np.maximum(own - behind, 0))
    np.testing.assert_allclose(answer(result.maps), expected, atol=1e-5)
    assert result.cost.forward == 2
    turns = probe.asked[1]
    assert [turn.text for turn in turns] == ["be short", "what is behind?"]
    assert turns[-1].inputs == (0, 1)


def test_contrast_of_equal_rollouts_is_0(probe: Any) -> None:
    probe.rollouts[1] = probe.rollouts[0]
    assert not answer(Contrast().explain(probe).maps).any()


def test_contrast_survives_a_rollout_without_mass(probe: Any) -> None:
    probe.rollouts[1] = 0
    assert np.isfinite(answer(Contrast().explain(probe).maps)).all()
