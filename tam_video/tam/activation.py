"""Compute token activation maps for a whole text: the public entry point of the method.

There is no entry for one token: without the tokens before it a map cannot be corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import index
from typing import TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tam_video.errors import TokenAlignmentError
from tam_video.tam.causal import context_mask, corrected_maps
from tam_video.tam.logits import layer_factors, mix_layers, token_relevance
from tam_video.tam.masked import fill_cells
from tam_video.tam.motion import SlotMotion
from tam_video.tam.normalise import joint_min_max, scale_mask
from tam_video.tam.options import PUBLISHED, ActivationOptions, profile_options
from tam_video.tam.rank_filter import filter_large_objects
from tam_video.tam.temporal import temporal_gaussian
from tam_video.tam.words import content_tokens, join_words
from tam_video.types import (
    ActivationMaps,
    BoolArray,
    Float64Array,
    FloatArray,
    Generation,
    IntArray,
    Profile,
    PublishedProfile,
    VisualLayout,
)

Number = TypeVar("Number", bound=np.number)


@dataclass(frozen=True, slots=True, eq=False)
class SequenceLayout:
    """The sequence positions of the visual cells and text tokens, checked at construction.

    Attributes:
        visual_positions: int64 [V], the inputs one after the other, row-major (slot, row, column)
            in each.
        text_positions: int64 [M]: a prompt token's own position; for a generated token the position
            that predicted it.
        token_strings: M token strings, as the vocabulary spells them.
        num_prompt_tokens: how many of the M tokens are prompt text; they come first.
        layouts: the grid of each input; its deduplicated cells may repeat a position.
    """

    visual_positions: IntArray
    text_positions: IntArray
    token_strings: Sequence[str]
    num_prompt_tokens: int
    layouts: Sequence[VisualLayout]

    def __post_init__(self) -> None:
        for name in ("visual_positions", "text_positions"):
            _check_positions(getattr(self, name), name)
        num_tokens = len(self.token_strings)
        if len(self.text_positions) != num_tokens:
            raise ValueError(
                f"{len(self.text_positions)} text positions, but {num_tokens} token strings"
            )
        if not 0 <= self.num_prompt_tokens <= num_tokens:
            raise ValueError(
                f"num_prompt_tokens must be in 0..{num_tokens}, not {self.num_prompt_tokens}"
            )
        _check_cells(self.visual_positions, self.layouts)


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
    """Compute the activation map of every text token over the visual cells of one input.

    Source: Li et al., ICCV 2025, arXiv:2506.23270; in the order of xmed-lab/TAM: raw maps,
    estimated causal inference, joint min-max with the text, rank Gaussian filter per slot.
    "reference" is that code up to its cast to uint8 (its round-0 class ids come in through
    `scores`); "published" keeps constant windows, which the public code turns into 0.

    Args:
        scores: float32 [S, M], logit at position s of text token m's class id, tokens in order:
            prompt text, then generated. -inf counts as no evidence.
        visual_positions: this and the next three as in `SequenceLayout`.
        text_positions: int64 [M].
        token_strings: M strings.
        num_prompt_tokens: how many of them are prompt text.
        grid: (t, h, w), or a layout.
        profile: "published" or "reference".

    Returns:
        The maps. `text_scores[m, k]` is 0 except for the tokens k before m.

    Raises:
        TokenAlignmentError: V is not t * h * w, or a visual position occurs twice.
        ValueError: shapes do not fit, a position lies outside the sequence, a score at one of the
            positions is NaN or +inf, or the profile is unknown.
    """
    layout = SequenceLayout(
        visual_positions,
        text_positions,
        token_strings,
        num_prompt_tokens,
        (grid if isinstance(grid, VisualLayout) else _layout(grid),),
    )
    return input_activation_maps((scores,), layout, profile_options(profile))[0]


def input_activation_maps(
    scores: Sequence[FloatArray],
    layout: SequenceLayout,
    options: ActivationOptions = PUBLISHED,
    *,
    motions: Sequence[SlotMotion] = (),
    content: BoolArray | None = None,
    sinks: BoolArray | None = None,
) -> tuple[ActivationMaps, ...]:
    """Compute the maps of one or several inputs, with `options` beyond the published steps.

    The causal correction and the min-max run over the cells of all inputs together, so that their
    maps compare; the filters run within each input.

    Args:
        scores: float32 [S, M] of each decoder layer that is mixed; often of one.
        layout: positions of the cells and tokens.
        options: steps beyond the published ones.
        motions: motion between the slots of each input; required where `options.needs_motion`.
        content: bool [M], tokens of content words; required where `options.needs_content`.
        sinks: bool [V], cells of sinks, used where `options.mask_sinks`; None for no sinks.

    Returns:
        The maps of each input; `text_scores` is the same in all.
    """
    if options.needs_motion and len(motions) != len(layout.layouts):
        raise ValueError("smoothing along the optical flow needs the motion of each input")
    num_tokens = len(layout.token_strings)
    masked = _masked_cells(sinks if options.mask_sinks else None, len(layout.visual_positions))
    raw, relevance = _evidence(
        [_checked_scores(each, num_tokens) for each in scores], layout, options, masked
    )
    context = context_mask(layout.token_strings)
    corrected = corrected_maps(raw, relevance, options, context=context, content=content)
    if masked.any():
        raw = fill_cells(raw, masked, layout.layouts)
        corrected = fill_cells(corrected, masked, layout.layouts)
    maps, text_scores = _filtered_maps(
        corrected, relevance, layout, options, context=context, motions=motions
    )
    flat = (input_cells(values, layout.layouts) for values in (raw, corrected.astype(np.float32)))
    ends = np.cumsum([grid.num_cells for grid in layout.layouts])[:-1]
    hidden = [int(np.count_nonzero(part)) for part in np.split(masked, ends)]
    return tuple(
        ActivationMaps(raw=one, corrected=other, maps=heat, text_scores=text_scores, num_masked=num)
        for one, other, heat, num in zip(*flat, maps, hidden, strict=True)
    )


def activate(
    generation: Generation,
    *,
    profile: Profile = "default",
    options: ActivationOptions | None = None,
    motions: Sequence[SlotMotion] = (),
) -> tuple[ActivationMaps, ...]:
    """Compute the maps of all tokens in a generation, separately for each input.

    Args:
        generation: an answer with its scores and layouts. Where it has the scores of several layers
            the default profile mixes them.
        profile: "default": the options chosen by measurement; "published": the paper's steps;
            "reference": those in the order and precision of the public code.
        options: used instead of the profile's options.
        motions: as in `input_activation_maps`, from `input_motions`.
    """
    selected = profile_options(profile) if options is None else options
    layers = generation.layer_scores if profile == "default" else ()
    words = join_words(generation.tokens)
    return input_activation_maps(
        layers or (generation.scores,),
        sequence_layout(generation),
        selected,
        motions=motions,
        content=content_tokens(words, num_tokens=len(generation.tokens)),
        sinks=generation.sinks,
    )


def sequence_layout(generation: Generation) -> SequenceLayout:
    """Return the sequence positions of a generation's cells and tokens."""
    return SequenceLayout(
        generation.visual_positions,
        generation.text_positions,
        [token.text for token in generation.tokens],
        generation.num_prompt_tokens,
        generation.layouts,
    )


def input_cells(
    values: NDArray[Number], layouts: Sequence[VisualLayout]
) -> tuple[NDArray[Number], ...]:
    """Split the values of all cells, [M, V], by input: one array [M, t*h*w] for each input."""
    ends = np.cumsum([0, *(layout.num_cells for layout in layouts)]).tolist()
    return tuple(values[:, start:end] for start, end in pairwise(ends))


def split_inputs(
    values: NDArray[Number], layouts: Sequence[VisualLayout]
) -> tuple[NDArray[Number], ...]:
    """Split the values of all cells, [M, V], by input: one array [M, t, h, w] for each input."""
    return tuple(
        part.reshape(-1, *layout.shape)
        for part, layout in zip(input_cells(values, layouts), layouts, strict=True)
    )


def _masked_cells(sinks: BoolArray | None, num_cells: int) -> BoolArray:
    """Return the cells to leave out, bool [V]: the sinks, unless these are all cells."""
    if sinks is None:
        return np.zeros(num_cells, np.bool_)
    if sinks.shape != (num_cells,) or sinks.dtype != np.bool_:
        raise ValueError(f"sinks must be bool [{num_cells}], not {sinks.dtype}{list(sinks.shape)}")
    return sinks & ~sinks.all()


def _evidence(
    tables: Sequence[FloatArray],
    layout: SequenceLayout,
    options: ActivationOptions,
    masked: BoolArray,
) -> tuple[FloatArray, FloatArray]:
    """Return raw maps of the cells that are not masked, and text relevance, combined over layers.

    Returns:
        float32 [M, K] and float32 [M, M].
    """
    for name in ("visual_positions", "text_positions"):
        positions = getattr(layout, name)
        if positions.size and positions.max() >= len(tables[0]):
            raise ValueError(
                f"{name} must be in 0..{len(tables[0]) - 1}, but contains {positions.max()}"
            )
    kept = layout.visual_positions[~masked] if masked.any() else layout.visual_positions
    raw = np.stack([token_relevance(each, kept) for each in tables])
    relevance = np.stack([token_relevance(each, layout.text_positions) for each in tables])
    # The ReLU keeps NaN and +inf; -inf, a masked logit, became 0.
    if not (np.isfinite(raw).all() and np.isfinite(relevance).all()):
        raise ValueError("scores must be finite at the visual and text positions")
    if len(tables) == 1:
        return raw[0], relevance[0]
    factors = layer_factors(raw, options.layer_weights or (1.0,) * len(tables))
    return mix_layers(raw, factors), mix_layers(relevance, factors)


def _filtered_maps(
    corrected: FloatArray | Float64Array,
    relevance: FloatArray,
    layout: SequenceLayout,
    options: ActivationOptions,
    *,
    context: BoolArray,
    motions: Sequence[SlotMotion],
) -> tuple[list[FloatArray], FloatArray]:
    """Normalise and filter the maps. Return [M, t, h, w] for each input, and text scores [M, M]."""
    num_tokens = len(corrected)
    mask = scale_mask(num_tokens, layout.num_prompt_tokens)
    maps = [np.empty((num_tokens, *grid.shape), dtype=np.float32) for grid in layout.layouts]
    text_scores = np.empty(relevance.shape, dtype=np.float32)
    profile: PublishedProfile = "reference" if options.reference_precision else "published"
    for rows, precision in _precisions(context, profile):
        scaled, text_scores[rows] = joint_min_max(
            corrected[rows].astype(precision), relevance[rows], mask=mask[rows]
        )
        for number, cells in enumerate(split_inputs(scaled, layout.layouts)):
            if options.rank_filter:
                least = options.rank_filter_min_cells
                cells = filter_large_objects(cells, min_cells=least, profile=profile)
            if options.needs_motion:
                cells = temporal_gaussian(
                    cells, motions[number], sigma_slots=options.gaussian_sigma_slots
                )
            maps[number][rows] = np.clip(cells, 0, 1)
    return maps, np.tril(text_scores, k=-1)


def _precisions(
    context: BoolArray, profile: PublishedProfile
) -> Iterator[tuple[BoolArray, DTypeLike]]:
    """Yield groups of tokens, bool [M], and the float type for the last steps of each group.

    In the public code the factor of the causal correction is a float64 number, so all that comes
    after it is float64; a token without context stays float32. "published" is float32 throughout.
    """
    if profile == "published":
        yield np.ones(len(context), dtype=np.bool_), np.float32
        return
    corrected: BoolArray = np.asarray(context.any(axis=1))
    yield ~corrected, np.float32
    yield corrected, np.float64


def _layout(grid: Sequence[int]) -> VisualLayout:
    sides = tuple(map(index, grid))
    if len(sides) != 3 or min(sides) < 1:
        raise ValueError(f"grid must be (t, h, w), each at least 1, not {sides}")
    return VisualLayout(*sides, frame_slots=tuple((slot,) for slot in range(sides[0])))


def _checked_scores(scores: FloatArray, num_tokens: int) -> FloatArray:
    table = np.asarray(scores)
    if table.ndim != 2 or not np.issubdtype(table.dtype, np.floating):
        raise ValueError(f"scores must be float [S, M], not {table.dtype}{list(table.shape)}")
    if table.shape[1] != num_tokens:
        raise ValueError(
            f"scores have columns for {table.shape[1]} text tokens, but there are {num_tokens}"
        )
    with np.errstate(over="ignore"):
        return table.astype(np.float32, copy=False)


def _check_positions(positions: IntArray, name: str) -> None:
    if positions.ndim != 1 or (positions.size and not np.issubdtype(positions.dtype, np.integer)):
        raise ValueError(f"{name} must be 1-D int64, not {positions.dtype}{list(positions.shape)}")
    if positions.size and positions.min() < 0:
        raise ValueError(f"{name} must be at least 0, not {positions.min()}")


def _check_cells(visual: IntArray, layouts: Sequence[VisualLayout]) -> None:
    if len(visual) != sum(layout.num_cells for layout in layouts):
        grids = " and ".join(" x ".join(map(str, layout.shape)) for layout in layouts)
        raise TokenAlignmentError(
            f"{len(visual)} visual tokens do not fill a grid of {grids}",
            hint="pass the grid of merged patches, with one cell per visual token",
        )
    parts = input_cells(visual[None], layouts)
    own = np.concatenate(
        [
            np.delete(part[0], list(layout.deduplicated))
            for part, layout in zip(parts, layouts, strict=True)
        ]
    )
    if len(np.unique(own)) != len(own):
        raise TokenAlignmentError(
            "a visual position occurs twice",
            hint="each cell must have its own sequence position",
        )
