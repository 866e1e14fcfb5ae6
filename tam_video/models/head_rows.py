"""Read chosen heads' attention at a few positions without replacing the decoder's kernel.

The kernel that the decoder uses ("sdpa", "flash_attention_2", ...) is registered again in the
attention interface of transformers for as long as a block runs: it computes the wanted rows from
the layer's queries and keys, which hold the rotary embedding and the norms of the family, and calls
the original kernel. One row a position and a head exists at a time, [P, S]; never [S, S].

https://huggingface.co/docs/transformers/attention_interface
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeAlias

from tam_video.errors import ConfigError, ModelError
from tam_video.models.attention import check_causal, watch_attention

if TYPE_CHECKING:
    from torch import Tensor

Head: TypeAlias = tuple[int, int]
"""Number of a decoder layer and of a head of this layer, from 0."""
VisitRows: TypeAlias = Callable[[int, "Tensor"], None]
"""Called with a layer's number and the rows of its wanted heads: float32 [h, P, C]."""

_REGISTERED = RLock()


@dataclass(frozen=True, slots=True, eq=False)
class WantedRows:
    """The heads, rows and columns of the attention weights that a visitor reads.

    Attributes:
        heads: the heads of each layer that is read; None for all heads of the layer.
        positions: P sequence positions, the rows.
        columns: C sequence positions, in the result; each row is normalised over all positions.
    """

    heads: Mapping[int, Sequence[int] | None]
    positions: list[int]
    columns: list[int]

    def of_layer(self, layer: int, num_heads: int) -> list[int]:
        """Return the wanted heads of a layer, or raise `ConfigError` if a head does not exist."""
        wanted = self.heads[layer]
        if wanted is None:
            return list(range(num_heads))
        missing = [head for head in wanted if not 0 <= head < num_heads]
        if missing:
            raise ConfigError(
                f"layer {layer} has no head {missing[0]}", hint=f"use 0..{num_heads - 1}"
            )
        return list(wanted)


class HeadRows:
    """A visitor for `watch_rows` that keeps the attention rows of chosen heads.

    Attributes:
        rows: float32 [P, C] of each head, on the CPU.
    """

    def __init__(self, heads: Sequence[Head]) -> None:
        self.rows: dict[Head, Tensor] = {}
        self._of_layer: dict[int, list[int]] = {}
        for layer, head in dict.fromkeys(heads):
            self._of_layer.setdefault(layer, []).append(head)

    def wanted(self, positions: list[int], columns: list[int]) -> WantedRows:
        """Return the attention rows that the visitor keeps."""
        return WantedRows(self._of_layer, positions, columns)

    def __call__(self, layer: int, rows: Tensor, /) -> None:
        """Store the attention rows of a layer's chosen heads."""
        for head, row in zip(self._of_layer[layer], rows.cpu(), strict=True):
            self.rows[layer, head] = row


class LayerMeans:
    """A visitor for `watch_rows` that averages the attention rows of all heads of a layer.

    Attributes:
        rows: float32 [P, C] of each layer with softmax attention, on the CPU.
    """

    def __init__(self, num_layers: int) -> None:
        self.rows: dict[int, Tensor] = {}
        self._num_layers = num_layers

    def wanted(self, positions: list[int], columns: list[int]) -> WantedRows:
        """Return the attention rows that the visitor reads."""
        return WantedRows(dict.fromkeys(range(self._num_layers)), positions, columns)

    def __call__(self, layer: int, rows: Tensor, /) -> None:
        """Store the mean of a layer's attention rows over all heads."""
        self.rows[layer] = rows.mean(dim=0).cpu()

    def middle_third(self) -> Tensor:
        """Average the stored rows over the middle third of the layers: float32 [P, C]."""
        import torch

        layers = sorted(self.rows)
        return torch.stack([self.rows[layer] for layer in middle_third(layers)]).mean(dim=0)


def middle_third(layers: Sequence[int]) -> list[int]:
    """Return the middle third of the given layers, but at least one layer."""
    start, end = round(len(layers) / 3), round(2 * len(layers) / 3)
    return list(layers[min(start, len(layers) - 1) : max(end, start + 1)])


@contextmanager
def watch_rows(decoder: Any, wanted: WantedRows, visit: VisitRows) -> Iterator[None]:
    """Keep a decoder's own kernel, and pass the wanted attention rows of each layer to `visit`.

    With the "eager" kernel, the rows are taken from the weights, which that kernel computes anyway.

    Raises:
        ModelError: the decoder's kernel is not in the attention interface of transformers.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    kernel = decoder.config._attn_implementation
    if kernel == "eager":

        def show(layer: int, weights: Tensor) -> None:
            if layer in wanted.heads:
                heads = wanted.of_layer(layer, len(weights))
                rows = weights[heads][:, wanted.positions].float()
                check_causal(rows, wanted.positions)
                visit(layer, rows[:, :, wanted.columns])

        with watch_attention(decoder, show):
            yield
        return
    with _REGISTERED:
        original = ALL_ATTENTION_FUNCTIONS.get(kernel)
        if original is None or kernel == "flex_attention":
            raise ModelError(
                f"the attention of single heads cannot be read from the kernel {kernel}",
                hint="use a method that needs no attention, such as tam or grad-cam",
            )
        ALL_ATTENTION_FUNCTIONS.register(kernel, _watching(original, decoder, wanted, visit))
        try:
            yield
        finally:
            ALL_ATTENTION_FUNCTIONS.register(kernel, original)


def _watching(
    original: Callable[..., Any], decoder: Any, wanted: WantedRows, visit: VisitRows
) -> Callable[..., Any]:
    """Return an attention function that reads the wanted rows, then calls the original function."""
    owners = {
        id(module): number
        for number, layer in enumerate(decoder.layers)
        if number in wanted.heads
        for module in layer.modules()
    }

    def attend(
        module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **options: Any
    ) -> Any:
        layer = owners.get(id(module))
        if layer is not None:
            heads = wanted.of_layer(layer, query.shape[1])
            rules = _rules(module, attention_mask, options)
            visit(layer, query_rows(query[0], key[0], heads=heads, wanted=wanted, rules=rules))
        return original(module, query, key, value, attention_mask=attention_mask, **options)

    return attend


@dataclass(frozen=True, slots=True, eq=False)
class AttentionRules:
    """Arguments that a layer passes to its kernel besides queries, keys and values.

    Attributes:
        mask: bool or additive [h, S, S], h is 1 or the number of heads; None for causal attention.
        sliding_window: number of positions that a row sees, itself included; None for all. Read
            only without a mask, which has it already.
        scaling: factor of the products of queries and keys; None for 1 / sqrt(d).
        softcap: bound of the products, see `LogitTransform`.
        sinks: [H], a further logit of each head that takes part in the normalisation.
    """

    mask: Tensor | None = None
    sliding_window: int | None = None
    scaling: float | None = None
    softcap: float | None = None
    sinks: Tensor | None = None


def _rules(module: Any, mask: Any, options: Mapping[str, Any]) -> AttentionRules:
    """Read `AttentionRules` from the arguments of an attention function.

    Answers are explained one at a time and without padding: a mask of [1, S], which the flash
    kernels take, says nothing more.
    """
    is_causal = options.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    has_mask = mask is not None and mask.ndim == 4
    if options.get("position_bias") is not None or not (has_mask or is_causal):
        raise ModelError(
            "the attention of single heads cannot be computed for this model family",
            hint="use a method that needs no attention, such as tam or grad-cam",
        )
    return AttentionRules(
        mask=mask[0] if has_mask else None,
        sliding_window=options.get("sliding_window"),
        scaling=options.get("scaling"),
        softcap=options.get("softcap"),
        sinks=options.get("s_aux"),
    )


def query_rows(
    query: Tensor,
    key: Tensor,
    *,
    heads: Sequence[int],
    wanted: WantedRows,
    rules: AttentionRules,
) -> Tensor:
    """Compute attention rows from queries and keys, one head after the other.

    Source: Vaswani et al., NeurIPS 2017, arXiv:1706.03762, softmax(q k / sqrt(d)). Heads that share
    keys: Ainslie et al., EMNLP 2023, arXiv:2305.13245.

    Args:
        query: [H, S, d], with rotary embedding.
        key: [G, S, d] for H / G heads each.
        heads: h of the H heads.
        wanted: its P positions and C columns are read.
        rules: mask and scale of the layer.

    Returns:
        float32 [h, P, C] in [0, 1], computed in float32; a row sums to at most 1.
    """
    import torch

    positions = wanted.positions
    scaling = query.shape[-1] ** -0.5 if rules.scaling is None else rules.scaling
    group = len(query) // len(key)
    unseen = None if rules.mask is not None else _unseen(positions, key, rules.sliding_window)
    rows = []
    for head in heads:
        logits = query[head, positions].float() @ key[head // group].float().T * scaling
        if rules.softcap is not None:
            logits = rules.softcap * (logits / rules.softcap).tanh()
        if rules.mask is not None:
            mask = rules.mask[head if len(rules.mask) > 1 else 0, positions, : logits.shape[-1]]
            is_bool = mask.dtype == torch.bool
            logits = logits.masked_fill(~mask, -torch.inf) if is_bool else logits + mask.float()
        elif unseen is not None:
            logits = logits.masked_fill(unseen, -torch.inf)
        if rules.sinks is not None:
            sink = rules.sinks[head].float().expand(len(logits), 1)
            logits = torch.cat([logits, sink], dim=-1)
        weights = logits.softmax(dim=-1)[None, :, : key.shape[1]]
        check_causal(weights, positions)
        rows.append(weights[0, :, wanted.columns])
    return torch.stack(rows)


def _unseen(positions: Sequence[int], key: Tensor, sliding_window: int | None) -> Tensor:
    """Return which of S positions the causal mask hides from each of P rows: bool [P, S]."""
    import torch

    own = torch.tensor(positions, device=key.device)[:, None]
    other = torch.arange(key.shape[1], device=key.device)[None]
    later = other > own
    return later if sliding_window is None else later | (other <= own - sliding_window)
