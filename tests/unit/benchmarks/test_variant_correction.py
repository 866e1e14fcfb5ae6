"""The correction with a factor of each slot, and the overlap of maps by correlation."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.variants.correction import correlated_tokens, slot_causal_inference
from tam_video.tam.causal import causal_inference, context_mask

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


def slow_correction(raw, relevance, context, slot_cells, *, scale, caps, relevance_power):
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
                "mixture": sum(energies) / len(slots),
            }[scale]
            if extra is None:
                factor = clip
            else:
                above, below = overlap + extra * clip, energy + extra
                factor = above / below if below > 0 else 0.0
            factor = min(factor, caps[m])
            for v in slot:
                corrected[m, v] = max(own[v] - factor * field[v], 0)
    return corrected


@given(cases(), SCALES, st.sampled_from([0.3, 1.0, np.inf]), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
@settings(deadline=None, max_examples=60)
def test_correction_equals_reference_implementation(case, scale, cap, relevance_power):
    raw, relevance, context, slot_cells = case
    options = {"scale": scale, "caps": np.full(len(raw), cap), "relevance_power": relevance_power}

    got = slot_causal_inference(raw, relevance, context=context, slot_cells=slot_cells, **options)

    expected = slow_correction(raw, relevance, context, slot_cells, **options)
    np.testing.assert_allclose(got, expected, atol=2e-6)
    assert (got <= raw).all()
    assert (got >= 0).all()


def corrected(raw, relevance, context, slot_cells, **options):
    caps = np.full(len(raw), np.inf)
    return slot_causal_inference(
        raw, relevance, context=context, slot_cells=slot_cells, caps=caps, **options
    )


def test_a_slot_with_little_interference_keeps_to_the_clips_factor():
    # The last slot has a trace of interference that by chance looks like the map.
    raw = np.array([[1, 0, 1, 0, 1e-3, 0], [1, 1, 1, 1, 1, 0]], np.float32)
    case = (raw, np.ones((2, 2), np.float32), context_mask(["a", "b"]), (2, 2, 2))

    assert corrected(*case, scale="slot")[1, 4] == pytest.approx(0, abs=1e-6)
    assert corrected(*case, scale="mixture")[1, 4] > 0.99


def test_a_slots_factor_removes_interference_that_changes_over_time():
    pattern = np.random.default_rng(0).random(20)
    own = np.zeros(40)
    own[[3, 27]] = 3
    raw = np.stack([np.tile(pattern, 2), own + np.r_[pattern, 4 * pattern]]).astype(np.float32)
    case = (raw, np.ones((2, 2), np.float32), context_mask(["a", "b"]), (20, 20))

    def share_inside(scale):
        got = corrected(*case, scale=scale)[1]
        return got[[3, 27]].sum() / got.sum()

    assert share_inside("slot") > share_inside("mixture") > share_inside("clip")


def test_relevance_power_zero_weighs_all_context_alike():
    raw, relevance, context, slot_cells = random_case(0)

    got = corrected(raw, relevance, context, slot_cells, relevance_power=0)

    alike = causal_inference(raw, np.ones_like(relevance), context=context)
    np.testing.assert_allclose(got, alike, atol=1e-6)


def test_tokens_on_one_object_correlate():
    raw = np.stack([np.random.default_rng(0).random(100) * 2] * 3).astype(np.float32)
    raw[:2, 10:20] += 2
    raw[2, 60:70] += 2

    same = correlated_tokens(raw, threshold=0.3)

    assert same[0, 1]
    assert same[1, 0]
    assert not same[:2, 2].any()


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(2, 8)), elements=UNIT))
@settings(deadline=None, max_examples=40)
def test_correlation_equals_reference_implementation(raw):
    got = correlated_tokens(raw, threshold=0.4)

    peaks = np.array([row.max() if row.max() > 0 else 1 for row in raw], np.float32)
    maps = raw / peaks[:, None]
    maps = maps - maps.mean(axis=0)
    for m, k in np.ndindex(got.shape):
        varies = min(np.ptp(maps[m]), np.ptp(maps[k])) > 1e-6
        with np.errstate(all="ignore"):
            r = np.corrcoef(maps[m].astype(float), maps[k].astype(float))[0, 1] if varies else 0
        assert not varies or got[m, k] == (r > 0.4) or abs(r - 0.4) < 1e-5


def test_constant_maps_correlate_with_none():
    assert not correlated_tokens(np.full((2, 9), 0.1, np.float32), threshold=0).any()
