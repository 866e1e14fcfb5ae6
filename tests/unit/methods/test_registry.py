"""Test every registered method on the same evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tam_video.errors import ConfigError, UnknownNameError
from tam_video.methods import METHODS

NO_FURTHER_PASS = {"tam", "tam-reference", "logit", "logit+rgf", "eci", "random", "centre"}
ALONE = NO_FURTHER_PASS - {"tam"}  # it looks at the frames
EXPLAIN_THE_PROMPT = {"tam", "tam-reference", "logit", "logit+rgf", "eci"}


@pytest.mark.parametrize("name", METHODS.names())
def test_maps_of_every_method_have_one_shape_and_scale(name: str, probe: Any) -> None:
    method = METHODS.load(name)()
    result = method.explain(probe)
    assert method.name == result.method == name
    assert method.cost in ("one pass", "states", "attention", "backward", "N passes")
    assert [part.shape for part in result.maps] == [(5, 2, 3, 4), (5, 1, 2, 2)]
    for part in result.maps:
        assert part.dtype == np.float32
        assert part.min() >= 0
        assert part.max() <= 1
    answer = np.concatenate([part[2:].reshape(3, -1) for part in result.maps], axis=1)
    assert (answer.max(axis=1) > answer.min(axis=1)).all()
    if name not in EXPLAIN_THE_PROMPT:
        assert not any(part[:2].any() for part in result.maps)
        np.testing.assert_allclose(answer.max(axis=1), 1, rtol=1e-6)
    assert (result.cost.forward > 0) == (name not in NO_FURTHER_PASS)


@pytest.mark.parametrize("name", METHODS.names())
def test_methods_take_a_generation_alone_or_raise(name: str, generation: Any) -> None:
    method = METHODS.load(name)()
    if name in ALONE:
        assert len(method.explain(generation).maps) == 2
    else:
        with pytest.raises(ConfigError, match=name):
            method.explain(generation)


@pytest.mark.parametrize("name", METHODS.names())
def test_maps_are_the_same_every_time(name: str, probe: Any) -> None:
    method = METHODS.load(name)()
    for first, second in zip(method.explain(probe).maps, method.explain(probe).maps, strict=True):
        np.testing.assert_array_equal(first, second)


def test_an_unknown_method_hints_at_close_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        METHODS.load("gradcam")
    assert "grad-cam" in caught.value.hint
