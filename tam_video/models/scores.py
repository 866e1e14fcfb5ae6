"""From hidden states to logits, only where they are needed.

A whole [S, vocabulary] matrix of a 7B model is 1.5 GB at 5,000 positions: here either the columns
are few (the M class ids) or the rows are (the answer's tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tam_video.errors import ModelError
from tam_video.models.base import LogitTransform
from tam_video.types import FloatArray, IntArray

if TYPE_CHECKING:
    from torch import Tensor

ROWS_PER_STEP = 1024
VOCABULARY_ROWS_PER_STEP = 16
NO_TRANSFORM = LogitTransform()


@dataclass(frozen=True, slots=True)
class TokenOdds:
    """How probable a token was, and what else could have come.

    Attributes:
        probability: of the token itself, in [0, 1], by the model's own softmax (temperature 1).
        candidates: (id, probability) of the most probable tokens, best first.
    """

    probability: float
    candidates: tuple[tuple[int, float], ...]


def class_scores(
    hidden: Tensor, head: Any, *, class_ids: IntArray, transform: LogitTransform = NO_TRANSFORM
) -> FloatArray:
    """Logits of a few vocabulary entries at every position.

    Source: Li et al., ICCV 2025, arXiv:2506.23270, before the ReLU. Differs: M columns of the
    output embedding, in float32, instead of all of them in the model's number type.

    Args:
        hidden: [S, d], states after the final norm.
        head: the output embedding (`lm_head`), weight [vocabulary, d].
        class_ids: int64 [M], vocabulary ids.
        transform: what the model does to the output of its head.

    Returns:
        float32 [S, M].
    """
    import torch

    weight = _weight(head)
    ids = torch.as_tensor(class_ids, device=weight.device)
    columns = weight[ids].float().T
    offset = None if head.bias is None else head.bias[ids].float()
    parts = []
    for start in range(0, len(hidden), ROWS_PER_STEP):
        part = hidden[start : start + ROWS_PER_STEP].to(weight.device).float() @ columns
        part = part if offset is None else part + offset
        parts.append(transformed(part, transform).cpu())
    scores: FloatArray = torch.cat(parts).numpy()
    return scores


def transformed(logits: Tensor, transform: LogitTransform) -> Tensor:
    """Logits as the model gives them, from the output of its head, any shape."""
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
    """Probability and best candidates of each answer token.

    Args:
        hidden: [J, d], last hidden states at the positions that predicted the tokens.
        head: the output embedding (`lm_head`).
        ids: the J tokens.
        num_candidates: how many candidates to keep.
        transform: what the model does to the output of its head.
    """
    import torch

    device = _weight(head).device
    odds: list[TokenOdds] = []
    wanted = torch.as_tensor(list(ids), device=device)
    for start in range(0, len(wanted), VOCABULARY_ROWS_PER_STEP):
        step = slice(start, start + VOCABULARY_ROWS_PER_STEP)
        rows, targets = hidden[step], wanted[step]
        chances = transformed(head(rows.to(device)).float(), transform).softmax(dim=-1)
        best = chances.topk(min(num_candidates, chances.shape[-1]))
        own = chances.gather(-1, targets[:, None])[:, 0]
        odds.extend(
            TokenOdds(probability, tuple(zip(candidate_ids, values, strict=True)))
            for probability, candidate_ids, values in zip(
                own.tolist(), best.indices.tolist(), best.values.tolist(), strict=True
            )
        )
    return tuple(odds)


def most_probable_id(hidden: Tensor, head: Any) -> int:
    """Id that the model finds most probable at one position, from its state [d]."""
    return int(head(hidden[None].to(_weight(head).device)).argmax())


def _weight(head: Any) -> Any:
    if head.weight.is_meta:
        raise ModelError(
            "the output embedding is offloaded to disk", hint="use a device_map that keeps lm_head"
        )
    return head.weight
