"""Cutting the graph of a decoder at one layer, so that gradients reach its states and no weight.

Context managers that leave nothing behind: no hook, no changed weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def frozen_weights(model: Any) -> Iterator[None]:
    """No weight asks for a gradient within the block."""
    wanted = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in wanted:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in wanted:
            weight.requires_grad_(True)


@contextmanager
def leaf_states(layer: Any) -> Iterator[list[Tensor]]:
    """Cut the graph behind a layer: its output [1, S, d] becomes a leaf that asks for gradients."""
    leaves: list[Tensor] = []

    def cut(_module: Any, _args: Any, output: Any) -> Any:
        states = output[0] if isinstance(output, tuple) else output
        leaf = states.detach().requires_grad_(True)
        leaves.append(leaf)
        # Later layers may write into what they are given, which a leaf forbids.
        given = leaf.clone()
        return (given, *output[1:]) if isinstance(output, tuple) else given

    with ExitStack() as stack:
        stack.callback(layer.register_forward_hook(cut).remove)
        yield leaves


@contextmanager
def last_states(decoder: Any) -> Iterator[list[Tensor]]:
    """Last hidden states [B, n, d] of each pass, with their graph."""
    found: list[Tensor] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        if hasattr(output, "last_hidden_state"):
            output = output.last_hidden_state
        found.append(output[0] if isinstance(output, tuple) else output)

    with ExitStack() as stack:
        stack.callback(decoder.register_forward_hook(keep).remove)
        yield found
