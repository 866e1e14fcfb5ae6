from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tam_video.errors import ConfigError, UnknownNameError
from tam_video.methods import make_method
from tam_video.methods.activation import Logit
from tam_video.methods.answer_maps import answer_maps
from tam_video.tam.activation import activate
from tam_video.types import Generation

MODEL: Any = SimpleNamespace(name="a plug-in")


def test_tam_is_the_stage_with_its_profile_and_its_text(generation: Generation, probe: Any) -> None:
    result = answer_maps(MODEL, probe.batches, generation, profile="published")
    expected = activate(generation, profile="published")
    for part, each in zip(result.maps, expected, strict=True):
        np.testing.assert_array_equal(part, each.maps)
    np.testing.assert_array_equal(result.text_scores, expected[0].text_scores)


def test_another_method_has_its_own_maps_and_no_text_scores(generation: Generation) -> None:
    result = answer_maps(MODEL, (), generation, method="logit")
    for part, each in zip(result.maps, Logit().explain(generation).maps, strict=True):
        np.testing.assert_array_equal(part, each)
    assert not result.text_scores.any()


def test_a_method_of_many_passes_needs_a_model_that_gives_them(generation: Generation) -> None:
    with pytest.raises(ConfigError, match="a plug-in does not support attention"):
        answer_maps(MODEL, (), generation, method="attention")


def test_an_empty_answer_has_empty_maps(generation: Generation) -> None:
    count = generation.num_prompt_tokens
    empty = replace(
        generation,
        tokens=generation.tokens[:count],
        text_positions=generation.text_positions[:count],
        scores=generation.scores[:, :count],
    )
    result = answer_maps(MODEL, (), empty, method="attention")
    assert [part.shape for part in result.maps] == [
        (count, *layout.shape) for layout in generation.layouts
    ]
    assert not any(part.any() for part in result.maps)


def test_random_methods_get_the_seed_and_unknown_names_raise() -> None:
    assert make_method("random", seed=7) != make_method("random", seed=8)
    assert make_method("logit", seed=7) == Logit()
    with pytest.raises(UnknownNameError, match="grad"):
        make_method("grad_camm", seed=0)
