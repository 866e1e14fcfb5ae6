from typing import get_args

import numpy as np
import pytest
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.tam.causal import (
    agreeing_tokens,
    causal_inference,
    context_mask,
    corrected_maps,
    overlapping_tokens,
)
from tam_video.tam.options import ActivationOptions, Correction

UNIT = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(2.0**-10, 1, width=32))
ANY = st.floats(0, float(np.finfo(np.float32).max), width=32)


@st.composite
def cases(draw, elements=UNIT):
    num_tokens, num_cells = draw(st.integers(1, 5)), draw(st.integers(1, 16))
    raw = draw(hnp.arrays(np.float32, (num_tokens, num_cells), elements=elements))
    relevance = draw(hnp.arrays(np.float32, (num_tokens, num_tokens), elements=elements))
    strings = draw(st.lists(st.sampled_from("abc"), min_size=num_tokens, max_size=num_tokens))
    return raw, relevance, context_mask(strings)


def random_case(seed, *, num_tokens=6, num_cells=21):
    rng = np.random.default_rng(seed)
    raw = np.maximum(rng.normal(0.5, 1, (num_tokens, num_cells)), 0).astype(np.float32)
    relevance = rng.random((num_tokens, num_tokens), dtype=np.float32)
    return raw, relevance, context_mask([str(k) for k in range(num_tokens)])


def slow_correction(raw, relevance, context, caps):
    corrected = np.zeros(raw.shape)
    for m, own in enumerate(raw.astype(np.float64)):
        chosen = np.flatnonzero(context[m])
        total = sum(float(relevance[m, k]) for k in chosen) + 1e-8
        field = [
            sum(float(relevance[m, k]) / total * float(raw[k, v]) for k in chosen)
            for v in range(len(own))
        ]
        energy = sum(value**2 for value in field)
        overlap = sum(a * e for a, e in zip(own, field, strict=True))
        factor = min(overlap / energy if energy > 0 else 0.0, caps[m])
        corrected[m] = [max(a - factor * e, 0.0) for a, e in zip(own, field, strict=True)]
    return corrected


@given(cases(), st.data())
@settings(deadline=None, max_examples=60)
def test_correction_equals_reference_implementation(case, data):
    raw, relevance, context = case
    caps = np.array([data.draw(st.sampled_from([0.3, 1.0, np.inf])) for _ in raw])

    got = causal_inference(raw, relevance, context=context, caps=caps)

    np.testing.assert_allclose(got, slow_correction(raw, relevance, context, caps), atol=2e-6)


@given(cases(st.one_of(UNIT, ANY)))
@settings(deadline=None, max_examples=40)
def test_result_lies_between_zero_and_raw_map(case):
    raw, relevance, context = case

    got = causal_inference(raw, relevance, context=context)

    assert (got <= raw).all()
    assert (got >= 0).all()


@given(cases())
@settings(deadline=None, max_examples=40)
def test_default_options_are_the_published_correction(case):
    raw, relevance, context = case

    published = corrected_maps(raw, relevance, ActivationOptions(), context=context)

    expected = causal_inference(raw, relevance, context=context)
    np.testing.assert_array_equal(published, expected)


def test_the_published_correction_by_hand():
    raw, relevance, _ = random_case(3)
    strings = ["a", "b", "a", "c", "b", "a"]

    got = causal_inference(raw, relevance, context=context_mask(strings))

    np.testing.assert_allclose(
        got, reference_steps.slow_correction(raw, relevance, strings), atol=1e-5
    )


def test_the_cap_bounds_what_is_subtracted():
    raw = np.array([[1, 1, 0, 0], [4, 4, 0, 1]], np.float32)
    context = context_mask(["a", "b"])
    relevance = np.ones((2, 2), np.float32)

    free = causal_inference(raw, relevance, context=context, caps=np.array([9.0, 9.0]))[1]
    capped = causal_inference(raw, relevance, context=context, caps=np.array([9.0, 1.0]))[1]

    np.testing.assert_allclose(free, [0, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(capped, [3, 3, 0, 1], atol=1e-6)


def test_no_correction_returns_the_raw_maps():
    raw, relevance, context = random_case(0)

    got = corrected_maps(
        raw,
        relevance,
        ActivationOptions(correction="none"),
        context=context,
    )

    np.testing.assert_array_equal(got, raw)


def objects():
    """Three tokens: two on one object, one elsewhere, all over a common pattern."""
    common = np.random.default_rng(0).random(100) * 2
    raw = np.stack([common.copy() for _ in range(3)])
    raw[:2, 10:20] += 2
    raw[2, 60:70] += 2
    return raw.astype(np.float32)


def test_tokens_on_one_object_agree():
    same = agreeing_tokens(objects())

    assert same[0, 1]
    assert same[1, 0]
    assert not same[:2, 2].any()
    assert not same[2, :2].any()


def test_tokens_on_the_same_object_do_not_correct_one_another():
    raw = objects()
    relevance, context = np.ones((3, 3), np.float32), context_mask(["a", "b", "c"])

    plain = corrected_maps(raw, relevance, ActivationOptions(), context=context)
    kept = corrected_maps(
        raw, relevance, ActivationOptions(correction="agreement"), context=context
    )

    assert plain[1].max() < 1e-5
    np.testing.assert_array_equal(kept[1], raw[1])
    np.testing.assert_allclose(kept[2], plain[2], atol=1e-6)


def slow_iou(first, second, share):
    def top(cells):
        least = sorted(cells, reverse=True)[int(np.ceil(share * len(cells))) - 1]
        return {k for k, value in enumerate(cells) if value >= least and value > min(cells)}

    a, b = top(first), top(second)
    return len(a & b) / len(a | b) if a | b else 0.0


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=UNIT),
    st.sampled_from([0.1, 0.5, 1.0]),
    st.sampled_from([0.0, 0.3, 0.9]),
)
@settings(deadline=None, max_examples=40)
def test_overlap_of_top_cells_equals_reference_implementation(raw, share, threshold):
    got = agreeing_tokens(raw, top_share=share, threshold=threshold)

    expected = [[slow_iou(a, b, share) > threshold for b in raw] for a in raw]
    np.testing.assert_array_equal(got, expected)


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 3), st.integers(1, 5)), elements=ANY))
@settings(deadline=None, max_examples=40)
def test_any_maps_can_be_compared(raw):
    same = agreeing_tokens(raw)

    assert same.shape == (len(raw), len(raw))
    np.testing.assert_array_equal(same, same.T)


def test_constant_maps_agree_with_none():
    assert not agreeing_tokens(np.full((2, 9), 0.1, np.float32), threshold=0).any()


def slow_overlap(first, second):
    def upper(cells):
        low, high = min(cells), max(cells)
        return {k for k, v in enumerate(cells) if high > low and v - low >= (high - low) / 2}

    a, b = upper(list(first)), upper(list(second))
    return len(a & b) / min(len(a), len(b)) if a and b else 0.0


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=UNIT),
    st.sampled_from([0.0, 0.5, 0.9]),
)
@settings(deadline=None, max_examples=40)
def test_overlap_of_objects_equals_reference_implementation(raw, threshold):
    got = overlapping_tokens(raw, threshold=threshold)

    expected = [[slow_overlap(a, b) > threshold for b in raw] for a in raw]
    np.testing.assert_array_equal(got, expected)


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 3), st.integers(0, 5)), elements=ANY))
@settings(deadline=None, max_examples=40)
def test_objects_of_any_maps_can_be_compared(raw):
    same = overlapping_tokens(raw)

    assert same.shape == (len(raw), len(raw))
    np.testing.assert_array_equal(same, same.T)
    assert not overlapping_tokens(np.full((2, 9), 0.1, np.float32), threshold=0).any()


def test_objects_smaller_than_the_top_cells_overlap():
    raw = np.random.default_rng(0).random((3, 400)).astype(np.float32)
    raw[0, 10:22] += 5
    raw[1, 12:20] += 5  # a part of the same object
    raw[2, 60:72] += 5

    expected = np.array([[True, True, False], [True, True, False], [False, False, True]])
    np.testing.assert_array_equal(overlapping_tokens(raw), expected)
    assert not agreeing_tokens(raw)[0, 1]


def test_only_objects_that_overlap_do_not_correct_one_another():
    raw = objects()
    relevance, context = np.ones((3, 3), np.float32), context_mask(["a", "b", "c"])
    options = ActivationOptions(correction="overlap")

    kept = corrected_maps(raw, relevance, options, context=context)

    plain = corrected_maps(raw, relevance, ActivationOptions(), context=context)
    np.testing.assert_array_equal(kept[1], raw[1])
    np.testing.assert_allclose(kept[2], plain[2], atol=1e-6)


@pytest.mark.parametrize(("shape", "threshold"), [((4,), 0.5), ((2, 3), 1.5), ((2, 3), -0.1)])
def test_wrong_objects_are_refused(shape, threshold):
    with pytest.raises(ValueError, match=r"raw|threshold"):
        overlapping_tokens(np.zeros(shape, np.float32), threshold=threshold)


def test_blocks_leave_no_seam():
    raw, relevance, context = random_case(0)
    whole = causal_inference(raw, relevance, context=context, caps=0.8)

    got = causal_inference(raw, relevance, context=context, caps=0.8, cells_per_block=3)

    np.testing.assert_allclose(got, whole, atol=1e-6)


@pytest.mark.parametrize("correction", get_args(Correction))
def test_no_tokens_give_no_maps(correction):
    got = corrected_maps(
        np.zeros((0, 4), np.float32),
        np.zeros((0, 0), np.float32),
        ActivationOptions(correction=correction),
        context=np.zeros((0, 0), bool),
        content=np.zeros(0, bool),
    )

    assert got.shape == (0, 4)


@pytest.mark.parametrize(
    "options", [{"threshold": 1.5}, {"threshold": -0.1}, {"top_share": 0.0}, {"top_share": 1.1}]
)
def test_wrong_overlaps_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        agreeing_tokens(np.zeros((2, 3), np.float32), **options)


@pytest.mark.parametrize(("shared", "agree"), [(1, False), (2, False), (3, True)])
def test_two_tokens_agree_where_more_than_half_of_a_tenth_of_the_cells_is_shared(shared, agree):
    # The top cells are 3 of 30: 1 of 5, 2 of 4 and 3 of 3 in both maps.
    raw = np.zeros((2, 30), np.float32)
    raw[0, :3] = (1, 2, 3)
    raw[1, 3 - shared : 6 - shared] = (1, 2, 3)

    assert agreeing_tokens(raw)[0, 1] == agree


@pytest.mark.parametrize("shape", [(2, 0), (4,), (1, 2, 3)])
def test_maps_of_another_shape_are_not_compared(shape):
    with pytest.raises(ValueError, match="raw"):
        agreeing_tokens(np.zeros(shape, np.float32))


def test_content_words_are_capped_alone():
    raw = np.array([[1, 1, 0, 0], [4, 4, 0, 1], [4, 4, 0, 1]], np.float32)
    relevance = np.zeros((3, 3), np.float32)
    relevance[1:, 0] = 1
    options = ActivationOptions(content_cap=1.0)
    content = np.array([False, True, False])

    got = corrected_maps(
        raw, relevance, options, context=context_mask(["a", "b", "b"]), content=content
    )

    np.testing.assert_allclose(got[1:], [[3, 3, 0, 1], [0, 0, 0, 1]], atol=1e-6)


@pytest.mark.parametrize(
    "content", [None, np.zeros(2, bool), np.zeros((3, 1), bool), np.zeros(3, np.int64)]
)
def test_content_is_required_only_where_the_options_need_it(content):
    raw, relevance = np.ones((3, 4), np.float32), np.ones((3, 3), np.float32)
    context = context_mask(["a", "b", "c"])

    for options in (ActivationOptions(correction="content"), ActivationOptions(content_cap=2.0)):
        with pytest.raises(ValueError, match=r"content must be bool \[3\]"):
            corrected_maps(raw, relevance, options, context=context, content=content)
    corrected_maps(raw, relevance, ActivationOptions(), context=context, content=content)
