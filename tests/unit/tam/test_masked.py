"""Cells that are left out of maps, and filled in afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.tam.activation import SequenceLayout, input_activation_maps
from tam_video.tam.masked import fill_cells
from tam_video.tam.options import DEFAULT, PUBLISHED, ActivationOptions
from tam_video.types import ActivationMaps, VisualLayout

SHAPES = ((3, 4, 5), (1, 3, 3))
NUM_CELLS = 69
LAYOUTS = [VisualLayout(*shape, tuple((k,) for k in range(shape[0]))) for shape in SHAPES]
PLAIN = ActivationOptions(correction="content", content_cap=1.5, rank_filter=False, mask_sinks=True)


def filled_plainly(values: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """Fill each masked cell by its definition, one token and one cell at a time."""
    filled = np.zeros((len(values), len(masked)), values.dtype)
    filled[:, ~masked] = values
    expected, start = filled.copy(), 0
    for t, h, w in SHAPES:
        for slot, row, column in np.ndindex(t, h, w):
            number = start + (slot * h + row) * w + column
            for reach in range(1, max(h, w)) if masked[number] else ():
                around = [
                    start + (slot * h + y) * w + x
                    for y in range(max(0, row - reach), min(h, row + reach + 1))
                    for x in range(max(0, column - reach), min(w, column + reach + 1))
                ]
                known = [index for index in around if not masked[index]]
                if known:
                    for token in range(len(values)):
                        expected[token, number] = np.median(
                            [float(filled[token, index]) for index in known]
                        )
                    break
        start += t * h * w
    return expected


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.05, 0.3, 0.9, 1.0]), st.booleans())
def test_masked_cells_get_the_median_of_the_cells_around_them(
    seed: int, share: float, constant: bool
) -> None:
    rng = np.random.default_rng(seed)
    masked = rng.random(NUM_CELLS) < share
    values = rng.random((4, int((~masked).sum()))).astype(np.float32)
    if constant:
        values[:] = 3.0
    filled = fill_cells(values, masked, LAYOUTS)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled, filled_plainly(values, masked))


def test_the_largest_numbers_do_not_overflow() -> None:
    masked = np.arange(NUM_CELLS) == 0
    values = np.full((1, NUM_CELLS - 1), np.finfo(np.float32).max)
    assert np.isfinite(fill_cells(values, masked, LAYOUTS)).all()


def maps(
    options: ActivationOptions, sinks: np.ndarray | None, *, loud: float = 0.0, layers: int = 2
) -> tuple[ActivationMaps, ...]:
    """Return the maps of random scores; `loud` is added to the scores of the cells in `sinks`."""
    tables = []
    for layer in range(layers):
        scores = np.random.default_rng(layer).normal(size=(NUM_CELLS + 7, 7)).astype(np.float32)
        if sinks is not None and loud:
            scores[:NUM_CELLS][sinks] += np.float32(loud)
        tables.append(scores)
    layout = SequenceLayout(
        np.arange(NUM_CELLS), NUM_CELLS + np.arange(7), list("abcdefg"), 3, LAYOUTS
    )
    content = np.array([False, False, False, True, False, True, True])
    return input_activation_maps(tables, layout, options, content=content, sinks=sinks)


SINKS = np.isin(np.arange(NUM_CELLS), [0, 7, 8, 59, 68])


@pytest.mark.parametrize("options", [PLAIN, ActivationOptions(mask_sinks=True)])
@pytest.mark.parametrize("sinks", [None, np.zeros(NUM_CELLS, np.bool_)])
def test_without_sinks_every_bit_stays(options: ActivationOptions, sinks: Any) -> None:
    off = ActivationOptions(
        correction=options.correction,
        content_cap=options.content_cap,
        rank_filter=options.rank_filter,
    )
    for one, other in zip(maps(options, sinks), maps(off, None), strict=True):
        for name in ("raw", "corrected", "maps", "text_scores"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert one.num_masked == 0


@pytest.mark.parametrize("correction", ["none", "content", "agreement", "published"])
@pytest.mark.parametrize("reference_precision", [False, True])
def test_scores_of_masked_cells_do_not_matter(correction: Any, reference_precision: bool) -> None:
    options = ActivationOptions(
        correction=correction, mask_sinks=True, reference_precision=reference_precision
    )
    quiet, loud = maps(options, SINKS), maps(options, SINKS, loud=1e6)
    for one, other in zip(quiet, loud, strict=True):
        np.testing.assert_array_equal(one.maps, other.maps)
        np.testing.assert_array_equal(one.text_scores, other.text_scores)
        assert (one.corrected <= one.raw).all()
    assert [each.num_masked for each in quiet] == [4, 1]
    unmasked = maps(ActivationOptions(correction=correction), SINKS, loud=1e6)
    assert np.abs(unmasked[0].maps - quiet[0].maps).max() > 0.2


def test_profiles_of_the_package_mask_nothing() -> None:
    for options in (DEFAULT, PUBLISHED):
        assert not options.mask_sinks
    assert maps(ActivationOptions(), SINKS)[0].num_masked == 0


def test_nothing_is_masked_where_all_cells_are_sinks() -> None:
    all_sinks = np.ones(NUM_CELLS, np.bool_)
    for one, other in zip(maps(PLAIN, all_sinks), maps(PLAIN, None), strict=True):
        np.testing.assert_array_equal(one.maps, other.maps)
        assert one.num_masked == 0


@pytest.mark.parametrize("sinks", [np.zeros(3, np.bool_), np.zeros(NUM_CELLS)])
def test_sinks_must_fit(sinks: np.ndarray) -> None:
    with pytest.raises(ValueError, match="sinks"):
        maps(PLAIN, sinks)
