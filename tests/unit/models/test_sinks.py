"""Which cells are sinks."""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tam_video.models.sinks import record_norms, sink_cells


def sinks_plainly(norms: np.ndarray) -> list[bool]:
    """Apply the rule as it is stated, one layer and one cell at a time."""
    votes = [0] * norms.shape[1]
    for layer in norms.tolist():
        known = [value for value in layer if value == value]
        middle = median(known) if known else 0.0
        if middle <= 0 or middle == float("inf"):
            continue
        mad = median(abs(value - middle) for value in known)
        for cell, value in enumerate(layer):
            votes[cell] += value > 5 * middle and value > middle + 3.5 * 1.4826 * mad
    return [2 * count >= len(norms) for count in votes]


@given(st.integers(0, 1000), st.integers(1, 5), st.booleans())
def test_sinks_are_outliers_in_half_of_the_layers(seed: int, layers: int, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    norms = rng.lognormal(sigma=1.0, size=(layers, 40)).astype(np.float32)
    if holes:
        norms[rng.random(norms.shape) < 0.2] = np.nan
        norms[rng.random(norms.shape) < 0.1] = np.inf
    assert sink_cells(norms).tolist() == sinks_plainly(norms)


def test_a_few_tokens_of_high_norm_are_sinks() -> None:
    norms = np.random.default_rng(0).uniform(0.5, 2.0, (6, 100)).astype(np.float32)
    norms[1:5, [3, 40]] = [100.0, 1000.0]
    norms[2:4, 7] = 100.0  # in two of six layers
    assert np.flatnonzero(sink_cells(norms)).tolist() == [3, 40]


@pytest.mark.parametrize("value", [0.0, 2.0, np.nan, np.inf])
def test_equal_norms_have_no_sinks(value: float) -> None:
    assert not sink_cells(np.full((3, 9), value, np.float32)).any()


def test_without_layers_or_cells_there_are_no_sinks() -> None:
    assert sink_cells(np.zeros((0, 4), np.float32)).tolist() == [False] * 4
    assert sink_cells(np.zeros((3, 0), np.float32)).tolist() == []
    with pytest.raises(ValueError, match="norms"):
        sink_cells(np.zeros(4, np.float32))


class Decoder(torch.nn.Module):
    """Four layers that return their input."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Identity() for _ in range(4))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            states = layer(states)
        return states


def test_norms_are_recorded_up_to_the_last_visual_token_in_any_number_of_calls() -> None:
    states = torch.full((1, 12, 4), 0.5)
    states[0, 5] = 60000.0
    decoder, positions = Decoder(), np.array([2, 3, 4, 5, 6])
    for dtype in (torch.float32, torch.float16):
        with record_norms(decoder, positions) as norms:
            for part in states.to(dtype).split(5, dim=1):
                decoder(part)
        assert [sum(map(len, calls)) for calls in norms.layers] == [10, 10]
        assert norms.layers[0][1][0] == 120000.0  # too large for float16
        assert norms.sinks().tolist() == [False, False, False, True, False]
    assert not decoder.layers[3]._forward_hooks
