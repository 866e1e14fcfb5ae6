"""Layers by number, from the end and by share of the depth; what a decoder leaves behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.errors import ConfigError
from tam_video.models.capture import (
    States,
    find_decoder,
    record_inputs,
    record_last_rows,
    record_states,
    resolve_layer,
)


@given(num_layers=st.integers(1, 100), data=st.data())
@settings(deadline=None)
def test_numbers_are_those_of_a_list(num_layers: int, data: st.DataObject) -> None:
    layer = data.draw(st.integers(-num_layers, num_layers - 1))
    layers = list(range(num_layers))
    assert resolve_layer(layer, num_layers=num_layers) == layers[layer]
    assert resolve_layer(float(layer), num_layers=num_layers) == layers[layer]


@given(
    num_layers=st.integers(1, 100),
    share=st.floats(0, 1, exclude_min=True, exclude_max=True),
)
@settings(deadline=None)
def test_a_share_is_the_layer_after_so_much_of_the_depth(num_layers: int, share: float) -> None:
    number = resolve_layer(share, num_layers=num_layers)
    assert 0 <= number < num_layers
    passed = (number + 1) / num_layers
    assert abs(passed - share) <= 0.5 / num_layers + 1e-9 or number == 0


@pytest.mark.parametrize(
    ("share", "num_layers", "number"),
    [(0.75, 28, 20), (0.5, 2, 0), (0.5, 28, 13), (0.99, 28, 27), (0.01, 28, 0), (0.5, 1, 0)],
)
def test_shares_that_people_ask_for(share: float, num_layers: int, number: int) -> None:
    assert resolve_layer(share, num_layers=num_layers) == number


@pytest.mark.parametrize("wrong", [1.5, -0.5, -1.25, float("nan"), float("inf"), float("-inf")])
def test_a_share_lies_between_0_and_1(wrong: float) -> None:
    with pytest.raises(ConfigError, match="layer"):
        resolve_layer(wrong, num_layers=4)


@pytest.mark.parametrize("wrong", [4, -5, 4.0, 100])
def test_a_number_is_within_the_depth(wrong: float) -> None:
    with pytest.raises(ConfigError, match="4 decoder layers"):
        resolve_layer(wrong, num_layers=4)


def test_the_input_is_no_layer() -> None:
    with pytest.raises(ConfigError, match="input"):
        resolve_layer("input", num_layers=4)


@pytest.mark.parametrize("by_name", [False, True])
def test_inputs_are_recorded_call_by_call(by_name: bool) -> None:
    class Layer(torch.nn.Module):
        def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
            return hidden_states + 1

    layer, first, second = Layer(), torch.rand(1, 3, 2), torch.rand(1, 1, 2)
    with record_inputs(layer) as states:
        for given_states in (first, second):
            layer(hidden_states=given_states) if by_name else layer(given_states)
    layer(first)
    assert torch.equal(torch.cat(states), torch.cat([first[0], second[0]]))


class Returns(torch.nn.Module):
    def __init__(self, wrap: Any) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, states: torch.Tensor) -> Any:
        return self.wrap(states)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda states: states,
        lambda states: (states, None),
        lambda states: SimpleNamespace(last_hidden_state=states),
    ],
)
def test_states_are_recorded_however_they_are_returned(wrap: Any) -> None:
    module, calls = Returns(wrap), [torch.randn(1, n, 3) for n in (4, 1, 1)]
    with record_states(module) as states:
        for call in calls:
            module(call)
    assert torch.equal(torch.cat(states), torch.cat(calls, dim=1)[0])
    module(calls[0])
    assert len(states) == 3


def test_the_hook_is_gone_after_an_error() -> None:
    module = Returns(lambda states: states)
    with pytest.raises(RuntimeError, match="stop"), record_states(module):
        raise RuntimeError("stop")
    assert not module._forward_hooks


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    num_rows=st.integers(1, 12),
    is_normed=st.booleans(),
)
@settings(deadline=None)
def test_states_are_read_as_if_they_were_joined(
    lengths: list[int], num_rows: int, is_normed: bool
) -> None:
    parts = [torch.randn(length, 3) for length in lengths]
    states = States(parts, torch.nn.LayerNorm(3) if is_normed else None)
    whole = torch.cat(parts) if states.norm is None else states.norm(torch.cat(parts))
    blocks = list(states.split(num_rows))
    assert max(map(len, blocks)) <= num_rows
    torch.testing.assert_close(torch.cat(blocks), whole)
    positions = list(range(len(states) - 1, -1, -2))
    torch.testing.assert_close(states.at(positions), whole[positions])
    assert states.at([]).shape == (0, 3)


def test_blocks_of_one_part_are_not_copied() -> None:
    part = torch.randn(10, 3)
    (block,) = States([part]).split(10)
    assert block.data_ptr() == part.data_ptr()


def test_last_rows_are_summed_up_call_by_call() -> None:
    module = Returns(lambda states: states)
    with record_last_rows(module, lambda row: row.sum().item()) as result:
        module(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
        module(torch.tensor([[[5.0, 6.0]]]))
    assert result == [7.0, 11.0]
    assert not module._forward_hooks


def test_a_decoder_with_its_head_is_looked_into() -> None:
    inner = object()
    assert find_decoder(SimpleNamespace(get_decoder=lambda: inner)) is inner
    wrapped = SimpleNamespace(lm_head=None, model=inner)
    assert find_decoder(SimpleNamespace(get_decoder=lambda: wrapped)) is inner
