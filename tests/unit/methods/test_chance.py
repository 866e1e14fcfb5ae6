from __future__ import annotations

import numpy as np
import pytest

from tam_video.errors import ConfigError
from tam_video.methods.chance import Centre, Random, central
from tam_video.types import Generation, View, VisualLayout


def test_random_differs_by_seed_and_token(generation: Generation) -> None:
    first, other = (Random(seed).explain(generation).maps[0] for seed in (0, 1))
    assert not np.allclose(first, other)
    assert not np.allclose(first[2], first[3])
    np.testing.assert_array_equal(first, Random(0).explain(generation).maps[0])


def test_centre_is_highest_in_the_middle_and_alike_in_every_slot() -> None:
    plane = central(VisualLayout(3, 5, 7, ((0,), (1,), (2,))), sigma=0.25)
    assert np.unravel_index(plane[0].argmax(), plane[0].shape) == (2, 3)
    np.testing.assert_array_equal(plane[0], plane[2])
    np.testing.assert_allclose(plane[0], plane[0][::-1, ::-1])


def test_centre_is_that_of_the_picture_not_of_a_padded_canvas() -> None:
    padded = VisualLayout(1, 4, 4, ((0,),), View(0, 0, 2, 2))
    plane = central(padded, sigma=0.25)[0]
    np.testing.assert_allclose(plane[:2, :2], plane[0, 0])
    assert plane[0, 0] == plane.max()


def test_centre_falls_as_a_gaussian_does() -> None:
    plane = central(VisualLayout(1, 1, 3, ((0,),)), sigma=0.5)[0, 0]
    np.testing.assert_allclose(plane, np.exp([-2 / 9, 0, -2 / 9]))


def test_senseless_options_are_refused() -> None:
    with pytest.raises(ConfigError):
        Random(-1)
    with pytest.raises(ConfigError):
        Centre(0)
