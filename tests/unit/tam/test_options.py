import dataclasses
import math

import pytest

from tam_video.tam.options import DEFAULT, PUBLISHED, ActivationOptions, profile_options


@pytest.mark.parametrize(
    "options",
    [
        {"correction": "all"},
        {"content_cap": 0.0},
        {"content_cap": math.nan},
        {"rank_filter_min_cells": -1},
        {"gaussian_sigma_slots": -1.0},
        {"gaussian_sigma_slots": math.inf},
        {"gaussian_sigma_slots": math.nan},
        {"layer_weights": (0.0, 0.0)},
        {"layer_weights": (1.0, -1.0)},
        {"layer_weights": (1.0, math.nan)},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ActivationOptions(**options)


def test_options_are_a_frozen_value():
    options = ActivationOptions(layer_weights=(0.5, 0.5))

    assert dataclasses.replace(options, rank_filter=False).layer_weights == (0.5, 0.5)
    assert hash(options) == hash(ActivationOptions(layer_weights=(0.5, 0.5)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.rank_filter = False


def test_options_state_what_they_need():
    assert not PUBLISHED.needs_motion
    assert not PUBLISHED.needs_content
    assert DEFAULT.needs_motion
    assert DEFAULT.needs_content
    assert ActivationOptions(content_cap=1.0).needs_content
    assert not ActivationOptions(correction="agreement").needs_content


def test_profiles_have_their_options():
    assert profile_options("default") is DEFAULT
    assert profile_options("published") == PUBLISHED
    assert profile_options("reference") == dataclasses.replace(PUBLISHED, reference_precision=True)
    with pytest.raises(ValueError, match="profile"):
        profile_options("paper")
