from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tam_video.methods.gradient import GradCam, LayerCam

STATES = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
SLOPES = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)


def test_grad_cam_weighs_channels_by_their_mean_gradient() -> None:
    expected = []
    for v in range(6):
        total = 0.0
        for d in range(4):
            total += sum(float(SLOPES[u, d]) for u in range(6)) / 6 * float(STATES[v, d])
        expected.append(max(0.0, total))
    np.testing.assert_allclose(GradCam.cam(STATES, SLOPES), expected, atol=1e-6)


def test_layer_cam_weighs_each_cell_by_its_positive_gradients() -> None:
    expected = []
    for v in range(6):
        total = sum(max(0.0, float(SLOPES[v, d])) * float(STATES[v, d]) for d in range(4))
        expected.append(max(0.0, total))
    np.testing.assert_allclose(LayerCam.cam(STATES, SLOPES), expected, atol=1e-6)


@pytest.mark.parametrize("method", [GradCam, LayerCam])
def test_layer_and_target_reach_the_probe_and_the_cost_comes_back(method: Any, probe: Any) -> None:
    result = method(layer=2, target="log_probability").explain(probe)
    assert probe.asked == [(2, "log_probability")]
    assert (result.cost.forward, result.cost.backward) == (1, 3)


def test_gradients_of_0_give_maps_of_0(probe: Any) -> None:
    probe.slopes[:] = 0
    assert not any(part.any() for part in GradCam().explain(probe).maps)
