"""Record hidden states and gradients of a decoder with temporary forward hooks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from tam_video.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Kept = TypeVar("Kept")
Layer: TypeAlias = int | Literal["input"]


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Hidden states recorded in several calls of a model, and read without concatenating them.

    Attributes:
        parts: [n, d] of each call: chunks of the prompt, then one state per step.
        norm: applied to each row that is read; None if the model has applied it.
    """

    parts: Sequence[Tensor]
    norm: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def split(self, num_rows: int) -> Iterator[Tensor]:
        """Yield the states in order, in blocks of up to `num_rows`, like `Tensor.split`."""
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
        """Return the states at k positions: [k, d]."""
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


@dataclass(frozen=True, slots=True, eq=False)
class RecordedLayers:
    """Hidden states recorded from some layers; every call of the model appends to the lists.

    Attributes:
        layers: the main layer, then the additional ones.
        last: the model's own last states, call by call.
        inner: the states of the layers below the last one, call by call.
        norm: the decoder's final norm.
    """

    layers: tuple[Layer, ...]
    last: list[Tensor]
    inner: Mapping[Layer, list[Tensor]]
    norm: Any

    def states(self) -> tuple[States, list[States]]:
        """Return the decoder's last states, and each layer's states after the final norm."""
        last = States(self.last)
        read = {layer: States(parts, self.norm) for layer, parts in self.inner.items()}
        return last, [read.get(layer, last) for layer in self.layers]


@contextmanager
def record_layers(decoder: Any, layers: Sequence[Layer], *, norm: str) -> Iterator[RecordedLayers]:
    """While the block runs, record the hidden states of the decoder and of some layers."""
    with ExitStack() as stack:
        last = stack.enter_context(record_states(decoder))
        inner = {
            layer: stack.enter_context(
                record_inputs(decoder.layers[0])
                if layer == "input"
                else record_states(decoder.layers[layer])
            )
            for layer in set(layers) - {len(decoder.layers) - 1}
        }
        yield RecordedLayers(tuple(layers), last, inner, getattr(decoder, norm))


def hidden_states(output: Any) -> Tensor:
    """Return the hidden states from a module's output (a tensor, tuple or object): [B, n, d]."""
    output = getattr(output, "last_hidden_state", output)
    states: Tensor = output[0] if isinstance(output, tuple) else output
    return states


def record_states(module: Any, *, with_graph: bool = False) -> AbstractContextManager[list[Tensor]]:
    """At every call of a decoder or decoder layer, record the hidden states that it returns.

    Args:
        module: a torch module whose output `hidden_states` understands.
        with_graph: keep [B, n, d] with its graph, not the first sequence alone.

    Yields:
        A list that grows by [n, d] with every call: chunks of the prompt, then one state per step.
    """

    def read(output: Any) -> Tensor:
        hidden = hidden_states(output)
        return hidden if with_graph else hidden[0].detach()

    return _record_outputs(module, read)


@contextmanager
def record_layer_results(decoder: Any, read: Callable[..., Kept]) -> Iterator[list[Kept]]:
    """Record what `read` returns for the states of each decoder layer, but not the states.

    Args:
        decoder: the decoder, which is called once.
        read: takes the states [n, d] and `normed`, whether the final norm was applied; the last
            layer's states are those that the decoder returns.

    Yields:
        A list that gets one result per layer.
    """
    with ExitStack() as stack:
        records = [
            stack.enter_context(
                _record_outputs(
                    layer, lambda output: read(hidden_states(output)[0].detach(), normed=False)
                )
            )
            for layer in decoder.layers[:-1]
        ]
        final = stack.enter_context(
            _record_outputs(
                decoder, lambda output: read(hidden_states(output)[0].detach(), normed=True)
            )
        )
        results: list[Kept] = []
        yield results
        results += [result for record in (*records, final) for result in record]


def record_last_rows(
    module: Any, summarise: Callable[[Tensor], Kept]
) -> AbstractContextManager[list[Kept]]:
    """At every call of a module, record a summary of the last row of its output.

    Args:
        module: a torch module returning [1, n, k], such as an output embedding.
        summarise: takes the row, [1, k]; the row itself is not kept.
    """
    return _record_outputs(module, lambda output: summarise(output.detach().flatten(0, -2)[-1:]))


@contextmanager
def _record_outputs(module: Any, read: Callable[[Any], Kept]) -> Iterator[list[Kept]]:
    records: list[Kept] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        records.append(read(output))

    with module.register_forward_hook(keep):
        yield records


@contextmanager
def record_inputs(module: Any) -> Iterator[list[Tensor]]:
    """At every call of a decoder layer, record the hidden states that it receives."""
    states: list[Tensor] = []

    def keep(_module: Any, args: Any, kwargs: Any) -> None:
        hidden = args[0] if args else kwargs["hidden_states"]
        states.append(hidden[0].detach())

    with module.register_forward_pre_hook(keep, with_kwargs=True):
        yield states


@contextmanager
def leaf_states(layer: Any) -> Iterator[list[Tensor]]:
    """Cut the autograd graph after a layer: the output [1, S, d] becomes a leaf with gradients."""
    leaves: list[Tensor] = []

    def keep(_module: Any, _args: Any, output: Any) -> Any:
        leaf = hidden_states(output).detach().requires_grad_(True)
        leaves.append(leaf)
        # Later layers may modify their input in place, which a leaf forbids.
        states = leaf.clone()
        return (states, *output[1:]) if isinstance(output, tuple) else states

    with layer.register_forward_hook(keep):
        yield leaves


@contextmanager
def frozen_weights(model: Any) -> Iterator[None]:
    """Set `requires_grad` of all weights to False while the block runs."""
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in trainable:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in trainable:
            weight.requires_grad_(True)


def find_decoder(model: Any) -> Any:
    """Return the text decoder, the module whose output `lm_head` reads."""
    decoder = model.get_decoder()
    return decoder.model if hasattr(decoder, "lm_head") else decoder


def resolve_layer(layer: int | float | Literal["input"], *, num_layers: int) -> int:
    """Convert `layer`, a number (maybe negative) or a fraction of the depth, to 0..num_layers-1.

    A fraction is of the layers passed: 0.75 of 28 layers is the 21st, number 20.

    Raises:
        ConfigError: the model has no such layer, or `layer` is "input".
    """
    if isinstance(layer, str):
        raise ConfigError(
            "'input' is the decoder's input, not a layer", hint="pass the number of a layer"
        )
    if isinstance(layer, float) and not layer.is_integer():
        if not 0 < layer < 1:
            raise ConfigError(
                f"layer {layer} is not valid",
                hint="a fraction of the depth must be between 0 and 1",
            )
        return max(0, round(layer * num_layers) - 1)
    if not -num_layers <= layer < num_layers:
        raise ConfigError(
            f"layer {layer} is out of range: the model has {num_layers} decoder layers",
            hint=f"use 0..{num_layers - 1}, -1 for the last, or a fraction of the depth like 0.75",
        )
    return int(layer) % num_layers
