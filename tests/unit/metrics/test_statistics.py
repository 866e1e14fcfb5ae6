import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.coverage import CASES, REQUIRED, coverage
from tam_video.metrics.statistics import (
    SMALL,
    UNDEFINED,
    Interval,
    clipped,
    difference_interval,
    mean_interval,
    ratio_interval,
    statistic_interval,
)

NUMBERS = st.floats(-100, 100)


def ends(interval):
    return interval.low, interval.high


@given(st.lists(NUMBERS, min_size=2, max_size=SMALL - 1))
@settings(deadline=None, max_examples=40)
def test_few_clips_get_the_t_interval_of_scipy(values):
    got = mean_interval(values)

    error = stats.sem(values)
    half = stats.t.ppf(0.975, len(values) - 1) * error
    np.testing.assert_allclose(
        ends(got), (np.mean(values) - half, np.mean(values) + half), atol=1e-6
    )
    assert got.mean == pytest.approx(np.mean(values))
    assert (got.n, got.sources, got.is_small) == (len(values), len(values), True)


def test_many_clips_get_the_bca_interval_of_scipy_a_little_expanded():
    values = np.random.default_rng(0).lognormal(size=80)

    got = mean_interval(values)

    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(1)
    ).confidence_interval
    np.testing.assert_allclose(ends(got), (theirs.low, theirs.high), atol=0.05)
    assert got.high - got.low > (theirs.high - theirs.low) * 0.98
    assert not got.is_small


def test_paired_interval_agrees_with_scipy():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, 60)
    second = first - 0.1 + rng.normal(0, 0.05, 60)

    got = difference_interval(first, second)

    theirs = stats.bootstrap(
        (first, second),
        lambda a, b, axis: (a - b).mean(axis=axis),
        n_resamples=4000,
        paired=True,
        rng=np.random.default_rng(1),
    ).confidence_interval
    np.testing.assert_allclose(ends(got), (theirs.low, theirs.high), atol=0.005)


def test_pairs_find_a_small_steady_gain_that_single_intervals_hide():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 1, 60)
    second = first - 0.1 + rng.normal(0, 0.05, 60)

    assert difference_interval(first, second).low > 0
    assert mean_interval(first).low < mean_interval(second).high


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.is_required])
@pytest.mark.parametrize("n", [8, 20])
def test_small_samples_cover_the_true_mean(name, n):
    # 2.5 standard errors of the simulation; `benchmarks.coverage` runs it in full
    assert coverage(CASES[name], n, repetitions=600) >= REQUIRED - 0.025


@pytest.mark.parametrize("name", ["normal", "beta"])
def test_bootstrap_covers_the_true_mean(name):
    assert coverage(CASES[name], 50, repetitions=100) >= REQUIRED - 0.05


@pytest.mark.parametrize(("hits", "n"), [(0, 8), (3, 8), (8, 8), (1, 40), (39, 40)])
def test_rates_get_the_wilson_interval_of_scipy(hits, n):
    got = mean_interval([1.0] * hits + [0.0] * (n - hits), is_rate=True)

    theirs = stats.binomtest(hits, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(ends(got), (theirs.low, theirs.high), atol=1e-12)
    assert got.mean == hits / n


def test_rate_of_clustered_hits_counts_sources():
    hits = np.repeat([1.0, 0.0, 1.0, 0.0], 20)

    together = mean_interval(hits, clusters=[str(k) for k in np.repeat(range(4), 20)], is_rate=True)

    theirs = stats.binomtest(2, 4).proportion_ci(method="wilson")
    np.testing.assert_allclose(ends(together), (theirs.low, theirs.high), atol=1e-12)
    assert (together.n, together.sources) == (80, 4)


def test_rate_of_shares_stays_within_its_range():
    got = mean_interval([1.0, 1.0, 0.9, 1.0, 1.0], is_rate=True)

    assert 0 < got.low < got.mean < got.high <= 1


def test_undefined_clips_are_left_out_and_not_counted():
    got = mean_interval([1.0, math.nan, 3.0])

    assert got == mean_interval([1.0, 3.0])
    assert got.n == 2


def test_a_clip_undefined_in_one_is_left_out_of_both():
    got = difference_interval([1.0, math.nan, 3.0, 5.0], [0.0, 100.0, math.nan, 1.0])

    assert got == mean_interval([1.0, 4.0])


def reference_jackknife(rows):
    """Weighted mean of (cluster, value, weight) and its t interval, cluster by cluster."""
    units = {}
    for name, value, weight in rows:
        if not math.isnan(value):
            units.setdefault(name, []).append((value, weight))
    known = [units[name] for name in sorted(units) if sum(w for _, w in units[name])]

    def mean(groups):
        pairs = [pair for group in groups for pair in group]
        return sum(v * w for v, w in pairs) / sum(w for _, w in pairs)

    n = len(known)
    value = mean(known)
    if n < 2:
        return value, math.nan, math.nan
    left_out = [mean(known[:k] + known[k + 1 :]) for k in range(n)]
    middle = sum(left_out) / n
    error = math.sqrt((n - 1) / n * sum((each - middle) ** 2 for each in left_out))
    half = stats.t.ppf(0.975, n - 1) * error
    return value, value - half, value + half


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.one_of(NUMBERS, st.just(math.nan)), st.integers(0, 3)),
        min_size=1,
        max_size=12,
    )
)
@settings(deadline=None, max_examples=40)
def test_clusters_and_weights_equal_the_reference_implementation(rows):
    names, values, weights = zip(*rows, strict=True)

    got = mean_interval(values, weights=weights, clusters=names)

    if not any(w and not math.isnan(v) for _, v, w in rows):
        assert got.n == 0
        return
    np.testing.assert_allclose((got.mean, *ends(got)), reference_jackknife(rows), atol=1e-6)


def test_clips_of_one_source_widen_the_interval():
    values, sources = np.repeat([0.0, 1.0, 0.0, 1.0], 20), np.repeat(list("abcd"), 20)

    alone, together = mean_interval(values), mean_interval(values, clusters=list(sources))

    assert together.mean == alone.mean
    assert together.n == alone.n == 80
    assert (together.sources, alone.sources) == (4, 80)
    assert together.is_small
    assert not alone.is_small
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_paired_differences_take_weights_and_clusters():
    first, second = [1.0, 4.0, math.nan], [0.0, 1.0, 1.0]

    got = difference_interval(first, second, weights=[1, 3, 9], clusters=["a", "a", "b"])

    assert (got.mean, got.n, got.sources) == (2.5, 2, 1)


@pytest.mark.parametrize("values", [[], [math.nan, math.nan]])
def test_no_clip_gives_nan(values):
    got = mean_interval(values)

    assert np.isnan([got.mean, got.low, got.high]).all()
    assert got.n == 0


def test_one_clip_has_a_mean_and_no_interval():
    got = mean_interval([0.5])

    assert (got.mean, got.n) == (0.5, 1)
    assert np.isnan(ends(got)).all()
    assert got.as_dict() == {"mean": 0.5, "low": None, "high": None, "n": 1, "sources": 1}


@given(NUMBERS, st.integers(2, 40))
@settings(deadline=None, max_examples=20)
def test_constant_values_have_no_width(value, count):
    got = mean_interval([value] * count)

    np.testing.assert_allclose((got.mean, *ends(got)), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("count", [10, 60])
def test_same_values_same_interval(count):
    values = np.random.default_rng(0).normal(size=count)

    assert mean_interval(values) == mean_interval(values)


@pytest.mark.parametrize("count", [20, 60])
def test_ratio_and_any_statistic_follow_the_same_rule(count):
    rng = np.random.default_rng(0)
    hits, words = rng.integers(0, 3, count) * 1.0, rng.integers(0, 6, count) + 3.0

    ratio = ratio_interval(hits, words)
    statistic = statistic_interval(
        lambda chosen: hits[chosen].sum(-1) / words[chosen].sum(-1), count
    )

    assert ratio == statistic
    assert ratio.mean == pytest.approx(hits.sum() / words.sum())
    assert ratio.low < ratio.mean < ratio.high


def test_statistic_that_is_undefined_on_some_draws_has_an_interval():
    def first_is_drawn(chosen):
        return np.where((chosen == 0).any(-1), chosen.mean(-1), math.nan)

    got = statistic_interval(first_is_drawn, 40)

    assert got.low < got.mean < got.high
    assert statistic_interval(lambda chosen: math.nan, 40) == UNDEFINED


def test_many_sources_are_resampled_in_batches():
    values = np.random.default_rng(0).random(5000)

    got = mean_interval(values)

    error = values.std() / math.sqrt(5000)
    np.testing.assert_allclose(got.high - got.low, 2 * 1.96 * error, rtol=0.1)


def test_interval_is_cut_at_the_bounds_of_its_metric():
    assert clipped(Interval(0.9, 0.7, 1.1, 3, 3), 0, 1) == Interval(0.9, 0.7, 1.0, 3, 3)


def test_interval_is_formatted_as_text_and_as_plain_values():
    interval = Interval(0.12345678, 0.1, 0.2, 7, 5)

    assert str(interval) == "0.123 [0.100, 0.200] n=7"
    expected = {"mean": 0.1235, "low": 0.1, "high": 0.2, "n": 7, "sources": 5}
    assert interval.as_dict() == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval(np.zeros((2, 2))), r"\[n\]"),
        (lambda: mean_interval([math.inf]), "infinite"),
        (lambda: mean_interval([1.0], weights=[1.0, 2.0]), "weights"),
        (lambda: mean_interval([1.0], weights=[-1.0]), "weights"),
        (lambda: mean_interval([1.0], clusters=["a", "b"]), "clusters"),
        (lambda: difference_interval([1.0, 2.0], [1.0]), "2 clips, but"),
        (lambda: difference_interval([1.0], [[1.0]]), r"\[n\]"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
