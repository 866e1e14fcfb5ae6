import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.tam.logits import layer_factors, mix_layers

ANY = st.floats(0, float(np.finfo(np.float32).max), width=32)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))


def slow_mixture(raw, weights):
    mixed = np.zeros(raw.shape[1:])
    for layer, maps in enumerate(raw):
        for m, row in enumerate(maps):
            if maps.max() > 0:
                mixed[m] += weights[layer] / sum(weights) * row.astype(float) / float(maps.max())
    return mixed


@given(
    hnp.arrays(np.float32, SHAPES, elements=st.floats(0, 64, width=16)),
    st.data(),
)
@settings(deadline=None, max_examples=40)
def test_mixture_equals_reference_implementation(raw, data):
    count = len(raw)
    weights = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    weights[0] += 1

    got = mix_layers(raw, layer_factors(raw, weights))

    np.testing.assert_allclose(got, slow_mixture(raw, weights), atol=1e-6)


@given(hnp.arrays(np.float32, SHAPES, elements=ANY))
@settings(deadline=None, max_examples=30)
def test_any_maps_mix_into_the_unit_interval(raw):
    got = mix_layers(raw, layer_factors(raw, [1.0] * len(raw)))

    assert got.dtype == np.float32
    assert (got >= 0).all()
    assert (got <= 1 + 1e-6).all()


def test_a_loud_layer_says_no_more_than_a_quiet_one():
    raw = np.array([[[0, 1000.0]], [[1.0, 0]]], np.float32)

    got = mix_layers(raw, layer_factors(raw, [1, 3]))

    np.testing.assert_allclose(got, [[0.75, 0.25]])


def test_layers_keep_the_proportions_of_the_tokens():
    raw = np.array([[[4.0], [1.0]]], np.float32)

    assert mix_layers(raw, layer_factors(raw, [1]))[:, 0].tolist() == [1, 0.25]


def test_relevance_takes_the_factor_of_its_maps():
    raw = np.array([[[2.0], [4.0]], [[1.0], [0.0]]], np.float32)
    relevance = np.ones((2, 2, 2), np.float32)

    got = mix_layers(relevance, layer_factors(raw, [1, 1]))

    np.testing.assert_allclose(got, np.full((2, 2), 0.5 / 4 + 0.5))


@pytest.mark.parametrize(
    ("shape", "weights"),
    [((2, 3), [1, 1]), ((2, 3, 4, 5), [1, 1]), ((2, 3, 0), [1, 1]), ((2, 3, 4), [1]),
     ((2, 3, 4), [1, 1, 1])],
)  # fmt: skip
def test_wrong_arguments_are_refused(shape, weights):
    with pytest.raises(ValueError, match="raw"):
        layer_factors(np.zeros(shape, np.float32), weights)


def test_factors_of_other_layers_are_refused():
    with pytest.raises(ValueError, match="zip"):
        mix_layers(np.zeros((2, 3, 4), np.float32), np.zeros(3, np.float32))
