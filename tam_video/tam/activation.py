"""Token activation maps of a whole text: the public entry point of the method.

Owns: checking that tokens and cells add up, and the order of the steps. There is no entry for one
token: without the tokens before it a map can't be corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from operator import index
from typing import get_args

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tam_video.errors import TokenAlignmentError
from tam_video.tam.causal import causal_inference, context_mask
from tam_video.tam.interference import corrected_maps
from tam_video.tam.layers import layer_factors, mix_layers
from tam_video.tam.logits import raw_maps, text_relevance
from tam_video.tam.normalise import joint_min_max, scale_mask
from tam_video.tam.phrases import join_phrases, token_phrases
from tam_video.tam.rank_filter import rank_gaussian_filter
from tam_video.tam.temporal import SlotMotion, TemporalOptions, temporal_filter
from tam_video.tam.words import content_tokens, join_words
from tam_video.types import (
    ActivationMaps,
    FloatArray,
    Generation,
    IntArray,
    Profile,
    PublishedProfile,
    VisualLayout,
)

PUBLISHED = TemporalOptions()
# Chosen on the dev clips of `shapes`; docs/results.md has what each part does on the test clips.
DEFAULT = TemporalOptions(
    rank_size=1,
    gaussian_sigma=0.5,
    is_aligned=True,
    excludes_content=True,
    content_cap=1.5,
)


def token_activation_maps(
    scores: FloatArray,
    *,
    visual_positions: IntArray,
    text_positions: IntArray,
    token_strings: Sequence[str],
    num_prompt_tokens: int,
    grid: tuple[int, int, int] | VisualLayout,
    profile: PublishedProfile = "published",
) -> ActivationMaps:
    """Map every text token onto the visual cells: where and when its evidence lies.

    Source: Li et al., ICCV 2025, arXiv:2506.23270; in the order of xmed-lab/TAM: raw maps,
    estimated causal inference, joint min-max with the text, rank Gaussian filter per slot.
    "reference" is that code up to its cast to uint8 (its round-0 class ids, too, come in through
    `scores`); "published" keeps constant windows, which the public code turns into 0.

    Args:
        scores: float32 [S, M], logit at position s of text token m's class id, tokens in order:
            prompt text, then generated. -inf counts as no evidence.
        visual_positions: int64 [V], row-major over (slot, row, column).
        text_positions: int64 [M]: a prompt token's own position; for a generated token the position
            that predicted it.
        token_strings: M token strings, as the vocabulary spells them.
        num_prompt_tokens: how many of the M tokens are prompt text.
        grid: (t, h, w), or a layout; its deduplicated cells may repeat a position.
        profile: "published" or "reference".

    Returns:
        The maps. `text_scores[m, k]` is given for the tokens k before m, 0 elsewhere.

    Raises:
        TokenAlignmentError: V is not t * h * w, or a visual position comes twice.
        ValueError: shapes don't fit, a position lies outside the sequence, a score at one of the
            positions is NaN or +inf, or the profile is unknown.
    """
    return input_activation_maps(
        scores,
        visual_positions=visual_positions,
        text_positions=text_positions,
        token_strings=token_strings,
        num_prompt_tokens=num_prompt_tokens,
        grids=(grid,),
        profile=profile,
    )[0]


def input_activation_maps(
    scores: FloatArray,
    *,
    visual_positions: IntArray,
    text_positions: IntArray,
    token_strings: Sequence[str],
    num_prompt_tokens: int,
    grids: Sequence[tuple[int, int, int] | VisualLayout],
    profile: PublishedProfile = "published",
    temporal: TemporalOptions = PUBLISHED,
    motions: Sequence[SlotMotion] = (),
    phrases: IntArray | None = None,
    content: NDArray[np.bool_] | None = None,
    layer_scores: Sequence[FloatArray] = (),
) -> tuple[ActivationMaps, ...]:
    """`token_activation_maps` for several videos or images, and beyond the published steps.

    The causal correction and the min-max run over the cells of all inputs together, so that their
    maps compare; the filter runs within each input, and as published within each slot.

    Args:
        scores: float32 [S, M].
        visual_positions: int64 [V], the inputs one after the other, row-major in each.
        text_positions: int64 [M].
        token_strings: M token strings.
        num_prompt_tokens: how many of the M tokens are prompt text.
        grids: (t, h, w) or layout of each input.
        profile: "published" or "reference".
        temporal: what is done beyond the published steps; for the published profile only.
        motions: what the pictures of each input tell, where `temporal` needs it.
        phrases: int64 [M], the phrase of each token, negative for none, where `temporal` needs it.
        content: bool [M], tokens of content words, where `temporal` needs it.
        layer_scores: float32 [S, M] for each of the layers that are mixed, instead of `scores`;
            none where `scores` are those of one layer.

    Returns:
        The maps of each input; `text_scores` is the same in all.

    Raises:
        TokenAlignmentError: as `token_activation_maps`.
        ValueError: as `token_activation_maps`; or `temporal` is given to the reference profile,
            or needs what is not given.
    """
    if profile == "reference" and temporal != PUBLISHED:
        raise ValueError("the reference profile has no temporal options")
    shapes = [g.shape if isinstance(g, VisualLayout) else _checked_grid(g) for g in grids]
    table = _checked_scores(scores)
    visual = _checked_positions(visual_positions, "visual_positions", len(table))
    text = _checked_positions(text_positions, "text_positions", len(table))
    _check_cells(visual, shapes, _deduplicated(grids))
    _check_tokens(table, text, token_strings, num_prompt_tokens)

    tables = [_checked_scores(each) for each in layer_scores] or [table]
    raw, relevance = _evidence(tables, visual, text, temporal)
    context = context_mask(token_strings)
    corrected: NDArray[np.floating]
    if temporal == PUBLISHED:
        corrected = causal_inference(raw, relevance, context=context)
    else:
        slot_cells = [h * w for t, h, w in shapes for _ in range(t)]
        corrected = corrected_maps(
            raw,
            relevance,
            temporal,
            context=context,
            slot_cells=slot_cells,
            phrases=phrases,
            content=content,
        )
    mask = scale_mask(len(text), num_prompt_tokens)
    parts = _parts(shapes)
    seen = motions or [SlotMotion()] * len(shapes)
    maps = [np.empty((len(text), *shape), dtype=np.float32) for shape in shapes]
    text_scores = np.empty(relevance.shape, dtype=np.float32)
    for rows, precision in _precisions(context, profile):
        scaled, text_scores[rows] = joint_min_max(
            corrected[rows].astype(precision), relevance[rows], mask=mask[rows]
        )
        for found, part, shape, motion in zip(maps, parts, shapes, seen, strict=True):
            cells = scaled[:, part].reshape(-1, *shape)
            if temporal == PUBLISHED:
                found[rows] = rank_gaussian_filter(cells, profile=profile)
            else:
                found[rows] = temporal_filter(
                    cells,
                    temporal,
                    flow=motion.flow,
                    cuts=motion.cuts,
                    slot_seconds=motion.slot_seconds,
                )
    causal = corrected.astype(np.float32)
    return tuple(
        ActivationMaps(
            raw=raw[:, part],
            corrected=causal[:, part],
            maps=np.clip(found, 0, 1),
            text_scores=np.tril(text_scores, k=-1),
        )
        for found, part in zip(maps, parts, strict=True)
    )


def activate(
    generation: Generation,
    *,
    profile: Profile = "default",
    temporal: TemporalOptions | None = None,
    motions: Sequence[SlotMotion] = (),
) -> tuple[ActivationMaps, ...]:
    """The maps of everything a model said, from the scores it said it with; one for each input.

    Args:
        generation: what was said, with its scores and where its cells lie. Where it has the scores
            of several layers the default profile mixes them.
        profile: "default": the temporal stage as it was chosen by measurement; "published": the
            paper's steps; "reference": those in the order and precision of the public code.
        temporal: what is done beyond the published steps instead of what the profile does; not for
            "reference".
        motions: what the pictures of each input tell (`slot_motion`), where the options look at
            neighbouring slots.

    Raises:
        TokenAlignmentError: cells and tokens don't add up.
        ValueError: as `input_activation_maps`.
    """
    options = profile_options(profile) if temporal is None else temporal
    words = join_words(generation.tokens)
    num_tokens = len(generation.tokens)
    return input_activation_maps(
        generation.scores,
        visual_positions=generation.visual_positions,
        text_positions=generation.text_positions,
        token_strings=[token.text for token in generation.tokens],
        num_prompt_tokens=generation.num_prompt_tokens,
        grids=generation.layouts,
        profile="reference" if profile == "reference" else "published",
        temporal=options,
        motions=motions,
        phrases=token_phrases(join_phrases(words), num_tokens=num_tokens),
        content=content_tokens(words, num_tokens=num_tokens),
        layer_scores=generation.layer_scores if profile == "default" else (),
    )


def profile_options(profile: Profile) -> TemporalOptions:
    """What a profile does beyond the published steps.

    Raises:
        ValueError: the profile is unknown.
    """
    if profile not in get_args(Profile):
        raise ValueError(f"profile must be one of {get_args(Profile)}, not {profile!r}")
    return DEFAULT if profile == "default" else PUBLISHED


def _evidence(
    tables: Sequence[FloatArray], visual: IntArray, text: IntArray, options: TemporalOptions
) -> tuple[FloatArray, FloatArray]:
    """float32 [M, V] and [M, M]: raw maps and relevance, of one layer or mixed of several."""
    raw = np.stack([raw_maps(each, visual) for each in tables])
    relevance = np.stack([text_relevance(each, text) for each in tables])
    _check_finite(raw, relevance)
    if len(tables) == 1:
        return raw[0], relevance[0]
    weights = options.layer_weights or (1.0,) * len(tables)
    factors = layer_factors(raw, weights, unit=options.layer_unit)
    return mix_layers(raw, factors), mix_layers(relevance, factors)


def _parts(shapes: Sequence[tuple[int, int, int]]) -> list[slice]:
    """Where each input's cells lie among all."""
    ends = np.cumsum([0, *(prod(shape) for shape in shapes)]).tolist()
    return [slice(start, end) for start, end in pairwise(ends)]


def _deduplicated(grids: Sequence[tuple[int, int, int] | VisualLayout]) -> IntArray:
    """Numbers, among the cells of all inputs, of those without a token of their own."""
    found, before = [], 0
    for grid in grids:
        if isinstance(grid, VisualLayout):
            found += [before + cell for cell in grid.deduplicated]
        before += grid.num_cells if isinstance(grid, VisualLayout) else prod(grid)
    return np.array(found, dtype=np.int64)


def _precisions(
    context: NDArray[np.bool_], profile: PublishedProfile
) -> Iterator[tuple[NDArray[np.bool_], DTypeLike]]:
    """Rows of tokens and the precision of their last steps.

    In the public code the factor of the causal correction is a float64 number, so all that comes
    after it is float64; a token without context stays float32. "published" is float32 throughout.
    """
    if profile == "published":
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


def _check_cells(
    visual: IntArray, shapes: Sequence[tuple[int, int, int]], deduplicated: IntArray
) -> None:
    if len(visual) != sum(map(prod, shapes)):
        grids = " and ".join(" x ".join(map(str, shape)) for shape in shapes)
        raise TokenAlignmentError(
            f"{len(visual)} visual tokens do not fill a grid of {grids}",
            hint="the grid must be counted after the model merged its patches",
        )
    own = np.delete(visual, deduplicated)
    if len(np.unique(own)) != len(own):
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
