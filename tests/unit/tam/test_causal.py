import numpy as np
import pytest
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize_scalar

from tam_video.tam.causal import causal_inference, context_mask

WORDS = st.sampled_from(["a", "b", "Ġa", ""])
VALUES = st.one_of(
    st.just(0.0), st.floats(0, 100, width=32), st.floats(2.0**-100, 2.0**-60, width=32)
)


@st.composite
def problems(draw):
    num_tokens, num_cells = draw(st.integers(1, 6)), draw(st.integers(1, 8))
    raw = draw(hnp.arrays(np.float32, (num_tokens, num_cells), elements=VALUES))
    relevance = draw(hnp.arrays(np.float32, (num_tokens, num_tokens), elements=VALUES))
    return raw, relevance, draw(st.lists(WORDS, min_size=num_tokens, max_size=num_tokens))


def test_context_is_earlier_tokens_with_another_string():
    assert context_mask(["a", "b", "a", "Ġa"]).tolist() == [
        [False, False, False, False],
        [True, False, False, False],
        [False, True, False, False],
        [True, True, True, False],
    ]


def test_context_of_no_tokens_is_empty():
    assert context_mask([]).shape == (0, 0)


@given(problems())
@settings(deadline=None, max_examples=50)
def test_correction_equals_reference_implementation(problem):
    raw, relevance, strings = problem

    got = causal_inference(raw, relevance, context=context_mask(strings))

    expected = reference_steps.slow_correction(raw.tolist(), relevance.tolist(), strings)
    assert np.isfinite(got).all()
    assert (got >= 0).all()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6 * raw.max())


def test_closed_form_equals_search():
    case = reference_steps.random_case(3, num_prompt=1, num_answer=1)
    raw = np.maximum(case.scores[case.visual_positions].T, 0)
    relevance = np.ones((2, 2), dtype=np.float32)

    got = causal_inference(raw, relevance, context=context_mask(["a", "b"]))

    fit = minimize_scalar(lambda s: np.square(raw[1] - s * raw[0].astype(float)).sum())
    np.testing.assert_allclose(got[1], np.maximum(raw[1] - fit.x * raw[0], 0), atol=1e-5)


def test_map_equal_to_its_context_vanishes():
    raw = np.tile(np.linspace(0, 3, 7, dtype=np.float32), (2, 1))

    got = causal_inference(raw, np.ones((2, 2), np.float32), context=context_mask(["a", "b"]))

    np.testing.assert_array_equal(got[0], raw[0])
    np.testing.assert_allclose(got[1], 0, atol=1e-6)


@pytest.mark.parametrize("strings", [["a", "a", "a"], ["a", "b", "c"]])
def test_token_without_relevant_context_keeps_its_raw_map(strings):
    raw = np.arange(12, dtype=np.float32).reshape(3, 4)

    got = causal_inference(raw, np.zeros((3, 3), np.float32), context=context_mask(strings))

    np.testing.assert_array_equal(got, raw)


@pytest.mark.parametrize(
    ("num_cells", "cells_per_block"),
    [(4095, 4096), (4096, 4096), (9001, 4096), (600, 1), (600, 7), (600, 300)],
)
def test_blocks_of_cells_leave_no_seam(num_cells, cells_per_block):
    raw = np.random.default_rng(1).random((4, num_cells), dtype=np.float32)
    relevance = np.random.default_rng(2).random((4, 4), dtype=np.float32)
    context = context_mask(list("abca"))

    got = causal_inference(raw, relevance, context=context, cells_per_block=cells_per_block)

    expected = reference_steps.slow_correction(raw.tolist(), relevance.tolist(), list("abca"))
    np.testing.assert_allclose(got, expected, atol=1e-6)
