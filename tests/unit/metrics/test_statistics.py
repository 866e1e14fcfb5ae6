import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tam_video.metrics import Interval, bootstrap, paired_bootstrap

NUMBERS = st.floats(-100, 100)


def slow_bootstrap(values, resamples, seed):
    drawn = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    means = sorted(sum(values[k] for k in row) / len(values) for row in drawn)

    def percentile(share):
        place = share * (resamples - 1)
        below = math.floor(place)
        above = min(below + 1, resamples - 1)
        return means[below] + (place - below) * (means[above] - means[below])

    return sum(values) / len(values), percentile(0.025), percentile(0.975)


@given(st.lists(NUMBERS, min_size=1, max_size=12), st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_interval_equals_reference_implementation(values, seed):
    got = bootstrap(values, resamples=50, seed=seed)

    expected = slow_bootstrap(values, 50, seed)
    np.testing.assert_allclose((got.mean, got.low, got.high), expected, atol=1e-10)
    assert got.n == len(values)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=12))
@settings(deadline=None, max_examples=20)
def test_paired_interval_equals_reference_implementation(pairs):
    first, second = zip(*pairs, strict=True)

    got = paired_bootstrap(first, second, resamples=50)

    expected = slow_bootstrap([a - b for a, b in pairs], 50, 0)
    np.testing.assert_allclose((got.mean, got.low, got.high), expected, atol=1e-10)


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).normal(3, 1, 80)

    got = bootstrap(values, resamples=4000)

    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose((got.low, got.high), (theirs.low, theirs.high), atol=0.02)


def test_paired_interval_agrees_with_scipy():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, 60)
    second = first - 0.1 + rng.normal(0, 0.05, 60)

    got = paired_bootstrap(first, second, resamples=4000)

    theirs = stats.bootstrap(
        (first, second),
        lambda a, b, axis: (a - b).mean(axis=axis),
        n_resamples=4000,
        method="percentile",
        paired=True,
        rng=np.random.default_rng(1),
    ).confidence_interval
    np.testing.assert_allclose((got.low, got.high), (theirs.low, theirs.high), atol=0.005)


def test_pairs_find_a_small_steady_gain_that_single_intervals_hide():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, 60)
    second = first - 0.1 + rng.normal(0, 0.05, 60)

    assert paired_bootstrap(first, second).low > 0
    assert bootstrap(first).low < bootstrap(second).high


def test_95_percent_interval_covers_the_truth_about_as_often():
    rng = np.random.default_rng(0)
    found = [bootstrap(rng.normal(size=40), resamples=300) for _ in range(200)]

    covered = np.mean([interval.low <= 0 <= interval.high for interval in found])

    assert 0.88 <= covered <= 0.99


def test_undefined_clips_are_left_out_and_not_counted():
    got = bootstrap([1.0, math.nan, 3.0])

    assert got == bootstrap([1.0, 3.0])
    assert got.n == 2


def test_a_clip_undefined_in_one_is_left_out_of_both():
    got = paired_bootstrap([1.0, math.nan, 3.0, 5.0], [0.0, 100.0, math.nan, 1.0])

    assert got == bootstrap([1.0, 4.0])


def slow_clusters(rows, resamples, seed):
    """Weighted mean of (cluster, value, weight) and its percentiles, cluster by cluster."""
    units = {}
    for name, value, weight in rows:
        if not math.isnan(value):
            units.setdefault(name, []).append((value, weight))
    told = [units[name] for name in sorted(units) if sum(w for _, w in units[name])]
    rng = np.random.default_rng(seed)
    means = []
    for drawn in rng.integers(len(told), size=(resamples, len(told))):
        pairs = [pair for unit in drawn for pair in told[unit]]
        means.append(sum(v * w for v, w in pairs) / sum(w for _, w in pairs))
    pairs = [pair for unit in told for pair in unit]
    mean = sum(v * w for v, w in pairs) / sum(w for _, w in pairs)
    return mean, *np.percentile(means, (2.5, 97.5))


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.one_of(NUMBERS, st.just(math.nan)), st.integers(0, 3)),
        min_size=1,
        max_size=12,
    )
)
@settings(deadline=None, max_examples=40)
def test_clusters_and_weights_equals_reference_implementation(rows):
    names, values, weights = zip(*rows, strict=True)

    got = bootstrap(values, resamples=50, weights=weights, clusters=names)

    if not any(w and not math.isnan(v) for _, v, w in rows):
        assert got.n == 0
        return
    expected = slow_clusters(rows, 50, 0)
    np.testing.assert_allclose((got.mean, got.low, got.high), expected, atol=1e-9)


def test_clips_of_one_source_widen_the_interval():
    values, sources = np.repeat([0.0, 1.0, 0.0, 1.0], 20), np.repeat(list("abcd"), 20)

    alone, together = bootstrap(values), bootstrap(values, clusters=list(sources))

    assert together.mean == alone.mean
    assert together.n == alone.n == 80
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_paired_differences_take_weights_and_clusters():
    first, second = [1.0, 4.0, math.nan], [0.0, 1.0, 1.0]

    got = paired_bootstrap(first, second, weights=[1, 3, 9], clusters=["a", "a", "b"])

    assert (got.mean, got.low, got.high, got.n) == (2.5, 2.5, 2.5, 2)


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_no_clip_gives_nan(values):
    got = bootstrap(values)

    assert np.isnan([got.mean, got.low, got.high]).all()
    assert got.n == 0


@given(NUMBERS, st.integers(1, 20))
@settings(deadline=None, max_examples=20)
def test_constant_values_have_no_width(value, count):
    got = bootstrap([value] * count, resamples=20)

    np.testing.assert_allclose((got.mean, got.low, got.high), value, rtol=1e-12)


def test_same_seed_same_interval():
    values = np.arange(10.0)

    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    assert bootstrap(values, seed=3) != bootstrap(values, seed=4)


def test_interval_is_told_in_words_and_in_plain_values():
    interval = Interval(0.12345678, 0.1, 0.2, 7)

    assert str(interval) == "0.123 [0.100, 0.200] n=7"
    assert interval.as_dict() == {"mean": 0.1235, "low": 0.1, "high": 0.2, "n": 7}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap(np.zeros((2, 2))), r"\[n\]"),
        (lambda: bootstrap([math.inf]), "infinite"),
        (lambda: bootstrap([1.0], resamples=0), "resamples"),
        (lambda: bootstrap([1.0], weights=[1.0, 2.0]), "weights"),
        (lambda: bootstrap([1.0], weights=[-1.0]), "weights"),
        (lambda: bootstrap([1.0], clusters=["a", "b"]), "clusters"),
        (lambda: paired_bootstrap([1.0, 2.0], [1.0]), "same clips"),
        (lambda: paired_bootstrap([1.0], [[1.0]]), r"\[n\]"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
