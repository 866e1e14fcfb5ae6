"""Hidden states of a decoder, read by forward hooks that never outlive their block."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tam_video.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Hidden states as a model left them, call by call, read without joining them.

    Attributes:
        parts: [n, d] of each call: chunks of the prompt, then one state a step.
        norm: what they are read through, row by row; None where the model has applied it.
    """

    parts: Sequence[Tensor]
    norm: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def split(self, num_rows: int) -> Iterator[Tensor]:
        """Blocks of up to `num_rows` states in order, as `Tensor.split` gives them."""
        block: list[Tensor] = []
        pieces = (
            part[start : start + num_rows]
            for part in self.parts
            for start in range(0, len(part), num_rows)
        )
        for piece in pieces:
            if sum(map(len, block)) + len(piece) > num_rows:
                yield self._read(block)
                block = []
            block.append(piece)
        if block:
            yield self._read(block)

    def at(self, positions: Sequence[int]) -> Tensor:
        """[k, d]: the states at some positions."""
        if not positions:
            return self.parts[0][:0]
        starts = list(accumulate(map(len, self.parts), initial=0))
        owners = [bisect_right(starts, position) - 1 for position in positions]
        return self._read(
            [
                self.parts[owner][position - starts[owner]][None]
                for position, owner in zip(positions, owners, strict=True)
            ]
        )

    def _read(self, pieces: Sequence[Tensor]) -> Tensor:
        import torch

        joined = pieces[0] if len(pieces) == 1 else torch.cat(list(pieces))
        return joined if self.norm is None else self.norm(joined)


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


@contextmanager
def record_last_rows(module: Any, keep_row: Callable[[Tensor], Kept]) -> Iterator[list[Kept]]:
    """Record what is made of the last row that a module returns, call by call.

    Args:
        module: a torch module returning [1, n, k], such as an output embedding.
        keep_row: takes the row, [1, k]; the row itself is not kept.

    Yields:
        A list that grows by one with every call.
    """
    found: list[Kept] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        found.append(keep_row(output.detach().flatten(0, -2)[-1:]))

    handle = module.register_forward_hook(keep)
    try:
        yield found
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
