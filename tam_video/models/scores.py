"""Compute logits from hidden states for selected vocabulary entries or positions.

The full [S, vocabulary] matrix of a 7B model takes 1.5 GB at 5,000 positions. Here either the
columns are few (the M class ids) or the rows are (the answer's tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tam_video.errors import ModelError
from tam_video.models.base import LogitTransform
from tam_video.models.capture import States
from tam_video.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

ROWS_PER_STEP = 512
VOCABULARY_ROWS_PER_STEP = 16
NO_TRANSFORM = LogitTransform()


@dataclass(frozen=True, slots=True)
class TokenOdds:
    """The probability of a token, and the most probable tokens at the same position.

    Attributes:
        probability: of the token, in [0, 1], by the model's softmax at temperature 1.
        candidates: (id, probability) of the most probable tokens, best first.
    """

    probability: float
    candidates: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class NextTokens:
    """Softmax normaliser and most probable tokens at n positions, on the model's device.

    Attributes:
        normaliser: float32 [n], the logarithm of the sum of the exponentials.
        best_ids: int64 [n, k], the most probable tokens, best first.
        best_logits: float32 [n, k].
    """

    normaliser: Tensor
    best_ids: Tensor
    best_logits: Tensor


def class_scores(
    hidden: Tensor | States,
    head: Any,
    *,
    class_ids: IntArray,
    transform: LogitTransform = NO_TRANSFORM,
    rows_per_step: int = ROWS_PER_STEP,
) -> FloatArray:
    """Compute the logits of a few vocabulary entries at every position.

    Computed on the device of the head, some rows at a time; only the result is copied from it.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, before the ReLU. Differs: M columns of the
    output embedding, in float32, instead of all of them in the model's number type.

    Args:
        hidden: [S, d], states after the final norm.
        head: the output embedding (`lm_head`), weight [vocabulary, d].
        class_ids: int64 [M], vocabulary ids.
        transform: what the model applies to the output of its head.
        rows_per_step: positions per step, which bounds the memory besides states and result:
            `rows_per_step` * (d + M) float32.

    Returns:
        float32 [S, M].
    """
    import torch

    weight = head_weight(head)
    ids = torch.as_tensor(class_ids, device=weight.device)
    columns = weight[ids].float()
    offset = None if head.bias is None else head.bias[ids, None].float()
    # Tokens first: the product is faster, and maps are read row by row.
    result = torch.empty(len(ids), len(hidden), dtype=torch.float32, device=weight.device)
    start = 0
    for part in hidden.split(rows_per_step):
        logits = columns @ part.to(weight.device).float().T
        logits = logits if offset is None else logits + offset
        result[:, start : start + len(part)] = transformed(logits, transform)
        start += len(part)
    scores: FloatArray = result.cpu().numpy().T
    return scores


def transformed(logits: Tensor, transform: LogitTransform) -> Tensor:
    """Apply the model's scale and softcap to `logits`, a tensor of any shape from `lm_head`."""
    if transform.scale != 1.0:
        logits = logits * transform.scale
    if transform.softcap is not None:
        logits = transform.softcap * (logits / transform.softcap).tanh()
    return logits


def token_odds(
    hidden: Tensor,
    head: Any,
    *,
    ids: Sequence[int],
    num_candidates: int,
    transform: LogitTransform = NO_TRANSFORM,
) -> tuple[TokenOdds, ...]:
    """Compute each answer token's probability, and the most probable tokens at its position.

    Args:
        hidden: [J, d], last hidden states at the positions that predicted the tokens.
        head: the output embedding (`lm_head`).
        ids: the J tokens.
        num_candidates: number of candidates to keep.
        transform: what the model applies to the output of its head.
    """
    import torch

    device = head_weight(head).device
    odds: list[TokenOdds] = []
    targets = torch.as_tensor(list(ids), device=device)
    for start in range(0, len(targets), VOCABULARY_ROWS_PER_STEP):
        step = slice(start, start + VOCABULARY_ROWS_PER_STEP)
        logits = transformed(head(hidden[step].to(device)).float(), transform)
        own = logits.gather(-1, targets[step, None])[:, 0]
        odds += _odds(next_tokens(logits, num_candidates), own)
    return tuple(odds)


def next_tokens(logits: Tensor, num_candidates: int) -> NextTokens:
    """Compute the normaliser and the most probable tokens from float32 logits [n, vocabulary]."""
    best = logits.topk(min(num_candidates, logits.shape[-1]))
    return NextTokens(logits.logsumexp(dim=-1), best.indices, best.values)


def recorded_odds(
    recorded: Sequence[NextTokens],
    hidden: Tensor,
    head: Any,
    *,
    ids: Sequence[int],
    transform: LogitTransform = NO_TRANSFORM,
) -> tuple[TokenOdds, ...]:
    """Compute the result of `token_odds` from recorded `NextTokens`, without running `lm_head`.

    Args:
        recorded: J summaries of the logits, [1, vocabulary] each, after the transform.
        hidden: [J, d], last hidden states at the positions that predicted the tokens.
        head: the output embedding; only the tokens' own columns are read.
        ids: the J tokens.
        transform: what the model applies to the output of its head.
    """
    import torch

    if not ids:
        return ()
    weight = head_weight(head)
    targets = torch.as_tensor(list(ids), device=weight.device)
    # In the head's number type, like the candidates.
    own = (hidden.to(weight.device).float() * weight[targets].float()).sum(dim=-1)
    own = own if head.bias is None else own + head.bias[targets].float()
    own = transformed(own.to(weight.dtype).float(), transform)
    joined = NextTokens(
        torch.cat([each.normaliser for each in recorded]),
        torch.cat([each.best_ids for each in recorded]),
        torch.cat([each.best_logits for each in recorded]),
    )
    is_own = joined.best_ids == targets[:, None]
    known = joined.best_logits.where(is_own, 0.0).sum(dim=-1)
    return tuple(_odds(joined, known.where(is_own.any(dim=-1), own)))


def _odds(tokens: NextTokens, own: Tensor) -> list[TokenOdds]:
    """Return the probability and the candidates of n tokens. `own` [n] holds the tokens' logits."""
    chances = (tokens.best_logits - tokens.normaliser[:, None]).exp().tolist()
    return [
        TokenOdds(probability, tuple(zip(ids, values, strict=True)))
        for probability, ids, values in zip(
            (own - tokens.normaliser).exp().clamp(max=1.0).tolist(),
            tokens.best_ids.tolist(),
            chances,
            strict=True,
        )
    ]


def most_probable_id(hidden: Tensor, head: Any) -> int:
    """Return the most probable next token's id, from the hidden state [d] of one position."""
    return int(head(hidden[None].to(head_weight(head).device)).argmax())


def head_weight(head: Any) -> Any:
    """Return the weight of `lm_head`, or raise `ModelError` if the weight is offloaded."""
    if head.weight.is_meta:
        raise ModelError(
            "the output embedding is offloaded to disk",
            hint="use a device_map that keeps lm_head in memory",
        )
    return head.weight
