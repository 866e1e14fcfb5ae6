"""Read a decoder's attention weights, one layer at a time, while the decoder runs.

One layer's weights [H, S, S] exist at a time, as in any "eager" pass; a visitor reads them before
the next layer runs. Layers that mix positions in another way (linear attention, convolutions) have
no weights and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from tam_video.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

Visit: TypeAlias = Callable[[int, "Tensor"], None]
"""Called with a layer's number and its weights [H, S, S], rows are queries."""


@contextmanager
def watch_attention(decoder: Any, visit: Visit) -> Iterator[None]:
    """Use "eager" attention in the block, and pass each layer's attention weights to `visit`."""
    before = decoder.config._attn_implementation
    with ExitStack() as stack:
        stack.callback(decoder.set_attn_implementation, before)
        decoder.set_attn_implementation("eager")
        for number, layer in enumerate(decoder.layers):
            visited: list[int] = []
            show = partial(_show, visit, number, visited)
            for module in layer.modules():
                stack.callback(module.register_forward_hook(show).remove)
        yield


def _show(
    visit: Visit, number: int, visited: list[int], _module: Any, _args: Any, output: Any
) -> None:
    """Pass attention weights to `visit`, unless an inner module of a layer already passed them."""
    if visited or not isinstance(output, tuple):
        return
    for part in output[1:]:
        if getattr(part, "ndim", 0) == 4 and len(part) == 1 and part.shape[2] == part.shape[3]:
            visited.append(number)
            visit(number, part[0].detach())
            return


class AttentionRows:
    """Callback for `watch_attention` that stores the attention rows of a few query positions.

    Attributes:
        layers: numbers of the layers visited.
        rows: for each, float32 [H, J, S], or [1, J, S] if heads are averaged, on the CPU.
    """

    def __init__(self, positions: list[int], *, average_heads: bool) -> None:
        self.layers: list[int] = []
        self.rows: list[Tensor] = []
        self._positions = positions
        self._average_heads = average_heads

    def __call__(self, layer: int, weights: Tensor, /) -> None:
        """Store the attention rows of one layer."""
        rows = weights[:, self._positions].float()
        check_causal(rows, self._positions)
        if self._average_heads:
            rows = rows.mean(dim=0, keepdim=True)
        self.layers.append(layer)
        self.rows.append(rows.cpu())


class Rollout:
    """Callback for `watch_attention` that computes attention rollout.

    Source: Abnar & Zuidema, ACL 2020, arXiv:2005.00928: heads averaged, half of the residual added,
    rows normalised, product over the layers; over all positions, visual and text. Only the columns
    `columns` are multiplied, which gives the same numbers.

    Attributes:
        product: float32 [S, C] so far, None before the first layer.
    """

    def __init__(self, positions: list[int], columns: list[int]) -> None:
        self.product: Tensor | None = None
        self._positions = positions
        self._columns = columns

    def __call__(self, _layer: int, weights: Tensor) -> None:
        """Multiply the rollout so far by the attention matrix of the next layer."""
        import torch

        check_causal(weights[:, self._positions], self._positions)
        mixed = weights.float().mean(dim=0)
        mixed.diagonal().add_(1.0)
        mixed /= mixed.sum(dim=-1, keepdim=True)
        if self.product is None:
            self.product = mixed[:, self._columns]
        else:
            self.product = torch.matmul(mixed, self.product.to(mixed.device))


def check_causal(rows: Tensor, positions: list[int]) -> None:
    """Raise `ModelError` if attention rows [H, J, S] give weight to later positions.

    This happens if a kernel is switched without its mask; the weights are then not the model's.
    """
    for row, position in enumerate(positions):
        if rows[:, row, position + 1 :].any():
            raise ModelError(
                "the attention weights of this model family are not causal",
                hint="use a method that needs no attention, such as tam or grad-cam",
            )
