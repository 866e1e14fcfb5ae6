from itertools import pairwise

import numpy as np
import pytest
import reference_steps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.tam.causal import causal_inference, context_mask
from tam_video.tam.interference import (
    corrected_maps,
    same_object,
    same_phrase,
    slot_causal_inference,
)
from tam_video.tam.temporal import TemporalOptions

UNIT = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(2.0**-10, 1, width=32))
ANY = st.floats(0, float(np.finfo(np.float32).max), width=32)
SCALES = st.sampled_from(["clip", "slot", "mixture"])


@st.composite
def cases(draw, elements=UNIT):
    slot_cells = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    num_tokens = draw(st.integers(1, 5))
    raw = draw(hnp.arrays(np.float32, (num_tokens, sum(slot_cells)), elements=elements))
    relevance = draw(hnp.arrays(np.float32, (num_tokens, num_tokens), elements=elements))
    strings = draw(st.lists(st.sampled_from("abc"), min_size=num_tokens, max_size=num_tokens))
    return raw, relevance, context_mask(strings), slot_cells


def random_case(seed, *, num_tokens=6, slot_cells=(7, 7, 7)):
    rng = np.random.default_rng(seed)
    raw = np.maximum(rng.normal(0.5, 1, (num_tokens, sum(slot_cells))), 0).astype(np.float32)
    relevance = rng.random((num_tokens, num_tokens), dtype=np.float32)
    return raw, relevance, context_mask([str(k) for k in range(num_tokens)]), slot_cells


def slow_correction(
    raw, relevance, context, slot_cells, *, scale, shrinkage, cap, floor, relevance_power
):
    corrected = np.zeros(raw.shape)
    ends = np.cumsum([0, *slot_cells])
    for m, own in enumerate(raw.astype(np.float64)):
        chosen = np.flatnonzero(context[m])
        strengths = [float(relevance[m, k]) ** relevance_power for k in chosen]
        total = sum(strengths) + 1e-8
        field = [
            sum(s / total * float(raw[k, v]) for s, k in zip(strengths, chosen, strict=True))
            for v in range(len(own))
        ]
        slots = [range(a, b) for a, b in pairwise(ends)]
        overlaps = [sum(own[v] * field[v] for v in slot) for slot in slots]
        energies = [sum(field[v] ** 2 for v in slot) for slot in slots]
        clip = sum(overlaps) / sum(energies) if sum(energies) > 0 else 0.0
        for slot, overlap, energy in zip(slots, overlaps, energies, strict=True):
            extra = {
                "clip": None,
                "slot": 0.0,
                "mixture": shrinkage * sum(energies) / len(slots),
            }[scale]
            if extra is None:
                factor = clip
            else:
                above, below = overlap + extra * clip, energy + extra
                factor = above / below if below > 0 else 0.0
            factor = factor if cap is None else min(factor, cap)
            for v in slot:
                corrected[m, v] = max(own[v] - factor * field[v], floor * own[v])
    return corrected


@given(
    cases(),
    SCALES,
    st.sampled_from([0.0, 0.5, 4.0]),
    st.sampled_from([None, 0.3, 1.0]),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
)
@settings(deadline=None, max_examples=60)
def test_correction_equals_reference_implementation(
    case, scale, shrinkage, cap, floor, relevance_power
):
    raw, relevance, context, slot_cells = case
    options = {
        "scale": scale,
        "shrinkage": shrinkage,
        "cap": cap,
        "floor": floor,
        "relevance_power": relevance_power,
    }

    got = slot_causal_inference(raw, relevance, context=context, slot_cells=slot_cells, **options)

    expected = slow_correction(raw, relevance, context, slot_cells, **options)
    np.testing.assert_allclose(got, expected, atol=2e-6)


@given(cases(st.one_of(UNIT, ANY)), SCALES, st.sampled_from([0.0, 0.25]))
@settings(deadline=None, max_examples=40)
def test_result_lies_between_floor_and_raw_map(case, scale, floor):
    raw, relevance, context, slot_cells = case

    got = slot_causal_inference(
        raw, relevance, context=context, slot_cells=slot_cells, scale=scale, floor=floor
    )

    assert got.dtype == np.float32
    assert (got <= raw).all()
    assert (got >= floor * raw * (1 - 1e-6)).all()


@given(cases())
@settings(deadline=None, max_examples=40)
def test_default_options_are_the_published_correction(case):
    raw, relevance, context, slot_cells = case

    got = corrected_maps(raw, relevance, TemporalOptions(), context=context, slot_cells=slot_cells)

    expected = causal_inference(raw, relevance, context=context)
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_the_published_correction_by_hand():
    raw, relevance, _, slot_cells = random_case(3)
    strings = ["a", "b", "a", "c", "b", "a"]

    got = slot_causal_inference(
        raw, relevance, context=context_mask(strings), slot_cells=slot_cells
    )

    np.testing.assert_allclose(
        got, reference_steps.slow_correction(raw, relevance, strings), atol=1e-5
    )


def test_mixture_goes_from_the_slots_factor_to_the_clips():
    raw, relevance, context, slot_cells = random_case(0)

    def corrected(**options):
        return slot_causal_inference(
            raw, relevance, context=context, slot_cells=slot_cells, **options
        )

    np.testing.assert_array_equal(corrected(scale="mixture", shrinkage=0), corrected(scale="slot"))
    np.testing.assert_allclose(
        corrected(scale="mixture", shrinkage=1e12), corrected(scale="clip"), atol=1e-6
    )
    assert np.abs(corrected(scale="slot") - corrected(scale="clip")).max() > 0.05


def test_a_slot_with_little_interference_keeps_to_the_clips_factor():
    # The last slot has a trace of interference that by chance looks like the map.
    raw = np.array([[1, 0, 1, 0, 1e-3, 0], [1, 1, 1, 1, 1, 0]], np.float32)
    relevance = np.ones((2, 2), np.float32)
    arguments = {"context": context_mask(["a", "b"]), "slot_cells": (2, 2, 2)}

    slot = slot_causal_inference(raw, relevance, scale="slot", **arguments)
    mixture = slot_causal_inference(raw, relevance, scale="mixture", **arguments)

    assert slot[1, 4] == pytest.approx(0, abs=1e-6)
    assert mixture[1, 4] > 0.99


def test_a_slots_factor_removes_interference_that_changes_over_time():
    pattern = np.random.default_rng(0).random(20)
    own = np.zeros(40)
    own[[3, 27]] = 3
    raw = np.stack([np.tile(pattern, 2), own + np.r_[pattern, 4 * pattern]]).astype(np.float32)
    arguments = {"context": context_mask(["a", "b"]), "slot_cells": (20, 20)}
    relevance = np.ones((2, 2), np.float32)

    def share_inside(scale):
        got = slot_causal_inference(raw, relevance, scale=scale, **arguments)[1]
        return got[[3, 27]].sum() / got.sum()

    assert share_inside("slot") > share_inside("mixture") > share_inside("clip")


def test_cap_and_floor_bound_what_is_taken():
    raw = np.array([[1, 1, 0, 0], [4, 4, 0, 1]], np.float32)
    arguments = {"context": context_mask(["a", "b"]), "slot_cells": (4,)}
    relevance = np.ones((2, 2), np.float32)

    free = slot_causal_inference(raw, relevance, **arguments)[1]
    capped = slot_causal_inference(raw, relevance, cap=1.0, **arguments)[1]
    floored = slot_causal_inference(raw, relevance, floor=0.25, **arguments)[1]

    np.testing.assert_allclose(free, [0, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(capped, [3, 3, 0, 1], atol=1e-6)
    np.testing.assert_allclose(floored, [1, 1, 0, 1], atol=1e-6)


def test_relevance_power_zero_weighs_all_context_alike():
    raw, relevance, context, slot_cells = random_case(0)

    got = slot_causal_inference(
        raw, relevance, context=context, slot_cells=slot_cells, relevance_power=0
    )

    alike = causal_inference(raw, np.ones_like(relevance), context=context)
    np.testing.assert_allclose(got, alike, atol=1e-6)


def objects():
    """Three tokens: two on one object, one elsewhere, all over a common pattern."""
    common = np.random.default_rng(0).random(100) * 2
    raw = np.stack([common.copy() for _ in range(3)])
    raw[:2, 10:20] += 2
    raw[2, 60:70] += 2
    return raw.astype(np.float32), common


@pytest.mark.parametrize(
    "options",
    [
        {"measure": "correlation", "threshold": 0.3, "beyond_common": True},
        {"measure": "iou", "threshold": 0.5},
        {"measure": "iou", "threshold": 0.5, "beyond_common": True},
    ],
)
def test_tokens_on_one_object_are_found(options):
    raw, _ = objects()

    same = same_object(raw, **options)

    assert same[0, 1]
    assert same[1, 0]
    assert not same[:2, 2].any()
    assert not same[2, :2].any()


def test_context_on_the_same_object_is_not_taken_away():
    raw, _ = objects()
    relevance, context = np.ones((3, 3), np.float32), context_mask(["a", "b", "c"])
    options = TemporalOptions(overlap_measure="iou", overlap_threshold=0.5)

    plain = corrected_maps(raw, relevance, TemporalOptions(), context=context, slot_cells=(50, 50))
    kept = corrected_maps(raw, relevance, options, context=context, slot_cells=(50, 50))

    assert plain[1].max() < 1e-5
    np.testing.assert_array_equal(kept[1], raw[1])
    np.testing.assert_array_equal(kept[2], plain[2])


def test_tokens_of_the_own_phrase_are_not_taken_away():
    raw, relevance, context, slot_cells = random_case(0, num_tokens=4)
    phrases = np.array([-1, 0, 0, -1])
    options = TemporalOptions(excludes_phrase=True)

    got = corrected_maps(
        raw, relevance, options, context=context, slot_cells=slot_cells, phrases=phrases
    )

    fewer = context.copy()
    fewer[2, 1] = False
    expected = slot_causal_inference(raw, relevance, context=fewer, slot_cells=slot_cells)
    np.testing.assert_array_equal(got, expected)


def test_tokens_without_a_phrase_share_none():
    same = same_phrase(np.array([-1, 0, 0, -1, 1]), num_tokens=5)

    assert np.argwhere(same).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2], [4, 4]]


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
    got = same_object(raw, measure="iou", top_share=share, threshold=threshold)

    # Ties are between equal values: both sides see the maps at maximum 1.
    maps = [row / row.max() if row.max() > 0 else row for row in raw]
    expected = [[slow_iou(a, b, share) > threshold for b in maps] for a in maps]
    np.testing.assert_array_equal(got, expected)


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(2, 8)), elements=UNIT))
@settings(deadline=None, max_examples=40)
def test_correlation_equals_reference_implementation(raw):
    got = same_object(raw, threshold=0.4)

    for m, k in np.ndindex(got.shape):
        varies = min(np.ptp(raw[m]), np.ptp(raw[k])) > 0
        with np.errstate(all="ignore"):
            r = np.corrcoef(raw[m].astype(float), raw[k].astype(float))[0, 1] if varies else 0
        assert got[m, k] == (r > 0.4) or abs(r - 0.4) < 1e-5


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 3), st.integers(1, 5)), elements=ANY),
    st.sampled_from(["correlation", "iou"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_any_maps_can_be_compared(raw, measure, beyond_common):
    same = same_object(raw, measure=measure, beyond_common=beyond_common)

    assert same.shape == (len(raw), len(raw))
    np.testing.assert_array_equal(same, same.T)


def test_constant_maps_lie_on_no_object():
    raw = np.full((2, 9), 0.1, np.float32)

    assert not same_object(raw, threshold=0).any()
    assert not same_object(raw, threshold=0, measure="iou").any()


def test_blocks_leave_no_seam():
    raw, relevance, context, slot_cells = random_case(0)
    arguments = {"context": context, "slot_cells": slot_cells, "scale": "mixture"}
    whole = slot_causal_inference(raw, relevance, **arguments)

    got = slot_causal_inference(raw, relevance, **arguments, cells_per_block=3)

    np.testing.assert_allclose(got, whole, atol=1e-6)


def test_no_tokens_give_no_maps():
    got = corrected_maps(
        np.zeros((0, 4), np.float32),
        np.zeros((0, 0), np.float32),
        TemporalOptions(overlap_measure="iou"),
        context=np.zeros((0, 0), bool),
        slot_cells=(4,),
    )

    assert got.shape == (0, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw": np.zeros(4, np.float32)}, "raw"),
        ({"relevance": np.zeros((2, 3), np.float32)}, "relevance"),
        ({"context": np.zeros((3, 3))}, "context"),
        ({"context": np.zeros((2, 2), bool)}, "context"),
        ({"slot_cells": (2, 1)}, "slot_cells"),
        ({"slot_cells": (4, 0)}, "slot_cells"),
        ({"slot_cells": ()}, "slot_cells"),
        ({"scale": "frame"}, "scale"),
        ({"cap": 0.0}, "cap"),
        ({"floor": -0.1}, "floor"),
        ({"shrinkage": np.inf}, "shrinkage"),
        ({"relevance_power": -1.0}, "relevance_power"),
        ({"relevance_power": 1e6, "relevance": np.full((3, 3), 9, np.float32)}, "relevance_power"),
    ],
)
def test_wrong_arguments_are_refused(changes, message):
    arguments = {
        "raw": np.zeros((3, 4), np.float32),
        "relevance": np.zeros((3, 3), np.float32),
        "context": context_mask(["a", "b", "c"]),
        "slot_cells": (2, 2),
    } | changes
    raw, relevance = arguments.pop("raw"), arguments.pop("relevance")

    with pytest.raises(ValueError, match=message):
        slot_causal_inference(raw, relevance, **arguments)


@pytest.mark.parametrize(
    "options",
    [{"measure": "dice"}, {"threshold": 1.5}, {"top_share": 0.0}],
)
def test_wrong_overlaps_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        same_object(np.zeros((2, 3), np.float32), **options)


def test_phrases_must_be_given_and_fit():
    raw, relevance, context, slot_cells = random_case(0)
    options = TemporalOptions(excludes_phrase=True)
    arguments = {"context": context, "slot_cells": slot_cells}

    with pytest.raises(ValueError, match="phrase"):
        corrected_maps(raw, relevance, options, **arguments)
    with pytest.raises(ValueError, match="phrases"):
        corrected_maps(raw, relevance, options, phrases=np.zeros(2, np.int64), **arguments)
