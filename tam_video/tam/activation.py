"""Token activation maps of a whole text, the only door to the method.

Owns: checking that tokens and cells add up, and the order of the steps. There is no entry for one
token: without the tokens before it a map can't be corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import index

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tam_video.errors import TokenAlignmentError
from tam_video.tam.causal import causal_inference, context_mask
from tam_video.tam.logits import raw_maps, text_relevance
from tam_video.tam.normalise import joint_min_max, scale_mask
from tam_video.tam.rank_filter import rank_gaussian_filter
from tam_video.types import ActivationMaps, FloatArray, IntArray, Profile, TokenGrid


def token_activation_maps(
    scores: FloatArray,
    *,
    visual_positions: IntArray,
    text_positions: IntArray,
    token_strings: Sequence[str],
    num_prompt_tokens: int,
    grid: tuple[int, int, int] | TokenGrid,
    profile: Profile = "default",
) -> ActivationMaps:
    """Map every text token onto the visual cells: where and when its evidence lies.

    Source: Li et al., ICCV 2025, arXiv:2506.23270; in the order of xmed-lab/TAM: raw maps,
    estimated causal inference, joint min-max with the text, rank Gaussian filter per slot.
    "reference" is that code up to its cast to uint8 (its round-0 class ids, too, come in through
    `scores`); "default" keeps constant windows, which the public code turns into 0.

    Args:
        scores: float32 [S, M], logit at position s of text token m's class id, tokens in order:
            prompt text, then generated. -inf counts as no evidence.
        visual_positions: int64 [V], row-major over (slot, row, column).
        text_positions: int64 [M]: a prompt token's own position; for a generated token the position
            that predicted it.
        token_strings: M token strings, as the vocabulary spells them.
        num_prompt_tokens: how many of the M tokens are prompt text.
        grid: (t, h, w), or the grid itself.
        profile: "default" or "reference".

    Returns:
        The maps. `text_scores[m, k]` is given for the tokens k before m, 0 elsewhere.

    Raises:
        TokenAlignmentError: V is not t * h * w, or a visual position comes twice.
        ValueError: shapes don't fit, a position lies outside the sequence, a score at one of the
            positions is NaN or +inf, or the profile is unknown.
    """
    shape = grid.shape if isinstance(grid, TokenGrid) else _checked_grid(grid)
    table = _checked_scores(scores)
    visual = _checked_positions(visual_positions, "visual_positions", len(table))
    text = _checked_positions(text_positions, "text_positions", len(table))
    _check_cells(visual, shape)
    _check_tokens(table, text, token_strings, num_prompt_tokens)

    raw, relevance = raw_maps(table, visual), text_relevance(table, text)
    _check_finite(raw, relevance)
    context = context_mask(token_strings)
    corrected = causal_inference(raw, relevance, context=context)
    mask = scale_mask(len(text), num_prompt_tokens)
    maps = np.empty((len(text), *shape), dtype=np.float32)
    text_scores = np.empty(relevance.shape, dtype=np.float32)
    for rows, precision in _precisions(context, profile):
        scaled, text_scores[rows] = joint_min_max(
            corrected[rows].astype(precision), relevance[rows], mask=mask[rows]
        )
        maps[rows] = rank_gaussian_filter(scaled.reshape(-1, *shape), profile=profile)
    return ActivationMaps(
        raw=raw,
        corrected=corrected.astype(np.float32),
        maps=np.clip(maps, 0, 1),
        text_scores=np.tril(text_scores, k=-1),
    )


def _precisions(
    context: NDArray[np.bool_], profile: Profile
) -> Iterator[tuple[NDArray[np.bool_], DTypeLike]]:
    """Rows of tokens and the precision of their last steps.

    In the public code the factor of the causal correction is a float64 number, so all that comes
    after it is float64; a token without context stays float32. "default" is float32 throughout.
    """
    if profile == "default":
        yield np.ones(len(context), dtype=np.bool_), np.float32
        return
    corrected: NDArray[np.bool_] = np.asarray(context.any(axis=1))
    yield ~corrected, np.float32
    yield corrected, np.float64


def _checked_grid(grid: Sequence[int]) -> tuple[int, int, int]:
    sides = tuple(map(index, grid))
    if len(sides) != 3 or min(sides) < 1:
        raise ValueError(f"grid must be (t, h, w), each at least 1, not {sides}")
    return sides


def _checked_scores(scores: FloatArray) -> FloatArray:
    table = np.asarray(scores)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.floating):
        raise ValueError(f"scores must be float [S, M], not {table.dtype}{list(table.shape)}")
    with np.errstate(over="ignore"):
        return table.astype(np.float32, copy=False)


def _checked_positions(positions: IntArray, name: str, length: int) -> IntArray:
    found: NDArray[np.int64] = np.asarray(positions)
    if found.ndim != 1 or (found.size and not np.issubdtype(found.dtype, np.integer)):
        raise ValueError(f"{name} must be int64, one axis, not {found.dtype}{list(found.shape)}")
    if found.size and not (found.min() >= 0 and found.max() < length):
        raise ValueError(f"{name} must lie in 0..{length - 1}, not {found.min()}..{found.max()}")
    return found.astype(np.int64, copy=False)


def _check_cells(visual: IntArray, shape: tuple[int, int, int]) -> None:
    slots, rows, columns = shape
    if len(visual) != slots * rows * columns:
        raise TokenAlignmentError(
            f"{len(visual)} visual tokens do not fill a grid of {slots} x {rows} x {columns}",
            hint="the grid must be counted after the model merged its patches",
        )
    if len(np.unique(visual)) != len(visual):
        raise TokenAlignmentError(
            "a visual position comes twice", hint="every cell has a sequence position of its own"
        )


def _check_tokens(
    table: FloatArray, text: IntArray, token_strings: Sequence[str], num_prompt_tokens: int
) -> None:
    num_tokens = table.shape[1]
    if len(text) != num_tokens or len(token_strings) != num_tokens:
        raise ValueError(
            f"scores are of {num_tokens} text tokens, but {len(text)} positions and "
            f"{len(token_strings)} strings are given"
        )
    if not 0 <= num_prompt_tokens <= num_tokens:
        raise ValueError(f"num_prompt_tokens must be in 0..{num_tokens}, not {num_prompt_tokens}")


def _check_finite(*relevances: FloatArray) -> None:
    # The ReLU keeps NaN and +inf; -inf, a masked logit, became 0.
    if not all(np.isfinite(values).all() for values in relevances):
        raise ValueError("scores must be finite at the visual and text positions")
