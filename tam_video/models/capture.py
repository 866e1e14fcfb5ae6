"""Hidden states of a decoder, read by forward hooks that never outlive their block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from tam_video.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def record_states(module: Any) -> Iterator[list[Tensor]]:
    """Record what a decoder or one of its layers returns, call by call.

    Args:
        module: a torch module returning hidden states [1, n, d], alone, first in a tuple, or as
            `.last_hidden_state`.

    Yields:
        A list that grows by [n, d] with every call: chunks of the prompt, then one state a step.
    """
    states: list[Tensor] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        if hasattr(output, "last_hidden_state"):
            output = output.last_hidden_state
        elif isinstance(output, tuple):
            output = output[0]
        states.append(output[0].detach())

    handle = module.register_forward_hook(keep)
    try:
        yield states
    finally:
        handle.remove()


@contextmanager
def record_inputs(module: Any) -> Iterator[list[Tensor]]:
    """Record the hidden states that a decoder layer is given, call by call; see `record_states`."""
    states: list[Tensor] = []

    def keep(_module: Any, args: Any, kwargs: Any) -> None:
        given = args[0] if args else kwargs["hidden_states"]
        states.append(given[0].detach())

    handle = module.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        yield states
    finally:
        handle.remove()


def find_decoder(model: Any) -> Any:
    """Return the text decoder whose output goes into `lm_head`, whatever wraps it.

    Args:
        model: a transformers generation model.
    """
    decoder = model.get_decoder()
    return decoder.model if hasattr(decoder, "lm_head") else decoder


def resolve_layer(layer: int | float | Literal["input"], *, num_layers: int) -> int:
    """Turn a layer number, maybe counted from the end, or a share of the depth into 0..L-1.

    A share is of the layers passed: 0.75 of 28 layers is the 21st, number 20.

    Raises:
        ConfigError: the model has no such layer; the decoder's input is none.
    """
    if isinstance(layer, str):
        raise ConfigError("the decoder's input is no layer", hint="choose a layer by its number")
    if isinstance(layer, float) and not layer.is_integer():
        if not 0 < layer < 1:
            raise ConfigError(
                f"layer {layer} is no layer", hint="a share of the depth lies between 0 and 1"
            )
        return max(0, round(layer * num_layers) - 1)
    if not -num_layers <= layer < num_layers:
        raise ConfigError(
            f"layer {layer} is out of range: the model has {num_layers} decoder layers",
            hint=f"use 0..{num_layers - 1}, -1 for the last, or a share of the depth such as 0.75",
        )
    return int(layer) % num_layers
