"""Test the options in the whole method: defaults change nothing, each option has its effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from motion_cases import motion_of

from tam_video.tam.activation import SequenceLayout, input_activation_maps
from tam_video.tam.options import ActivationOptions
from tam_video.types import VisualLayout

SHAPES = ((3, 4, 5), (1, 3, 3))
STILL = tuple(motion_of(shape) for shape in SHAPES)
CONTENT = np.array([False, False, False, True, False, True, True])


def scores_of(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    num_cells = sum(int(np.prod(shape)) for shape in SHAPES)
    return rng.normal(size=(num_cells + 7, 7)).astype(np.float32)


def maps(
    *layers: np.ndarray, content: Any = CONTENT, motions: Any = STILL, **options: Any
) -> tuple[np.ndarray, ...]:
    num_cells = len(scores_of()) - 7
    layout = SequenceLayout(
        visual_positions=np.arange(num_cells),
        text_positions=num_cells + np.arange(7),
        token_strings=list("abcdefg"),
        num_prompt_tokens=3,
        layouts=[VisualLayout(*shape, tuple((k,) for k in range(shape[0]))) for shape in SHAPES],
    )
    inputs = input_activation_maps(
        layers or (scores_of(),),
        layout,
        ActivationOptions(**options),
        motions=motions,
        content=content,
    )
    return tuple(each.maps for each in inputs)


def test_a_cap_that_is_never_reached_changes_nothing() -> None:
    # It takes the other implementation of the correction.
    for one, other in zip(maps(), maps(content_cap=1e9), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_inputs_are_filtered_apart() -> None:
    published, smooth = maps(), maps(gaussian_sigma_slots=1.0)
    assert np.abs(smooth[0] - published[0]).max() > 0.01
    np.testing.assert_array_equal(smooth[1], published[1])  # one slot has no neighbour


def test_a_cut_keeps_scenes_apart() -> None:
    cuts = (motion_of(SHAPES[0], cuts=np.array([True, True])), STILL[1])
    for one, other in zip(maps(), maps(gaussian_sigma_slots=1.0, motions=cuts), strict=True):
        np.testing.assert_array_equal(one, other)


def test_content_words_do_not_correct_one_another() -> None:
    kept, published = maps(correction="content"), maps()
    np.testing.assert_allclose(kept[0][[0, 1, 2, 3, 4]], published[0][[0, 1, 2, 3, 4]], atol=1e-5)
    assert np.abs(kept[0][5:] - published[0][5:]).max() > 0.01


def test_the_cap_applies_to_content_words_alone() -> None:
    capped, raw, published = maps(content_cap=1e-9)[0], maps(correction="none")[0], maps()[0]
    np.testing.assert_allclose(capped[CONTENT], raw[CONTENT], atol=1e-5)
    np.testing.assert_allclose(capped[~CONTENT], published[~CONTENT], atol=1e-5)


def test_the_rank_filter_can_be_left_out() -> None:
    from tam_video.tam import rank_gaussian_filter

    for one, other in zip(maps(), maps(rank_filter=False), strict=True):
        np.testing.assert_allclose(one, rank_gaussian_filter(other), atol=1e-6)


@pytest.mark.parametrize("options", [{"correction": "content"}, {"content_cap": 1.0}])
@pytest.mark.parametrize("content", [None, np.zeros(3, np.bool_), np.zeros(7)])
def test_content_words_must_be_given_and_fit(options: Any, content: Any) -> None:
    with pytest.raises(ValueError, match="content"):
        maps(content=content, **options)


def test_several_layers_are_mixed_each_on_its_own_scale() -> None:
    loud = maps(scores_of(), 1000 * scores_of(1), layer_weights=(1.0, 0.0))
    for one, other in zip(maps(), loud, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    even = maps(scores_of(), 1000 * scores_of())
    for one, other in zip(maps(), even, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("motions", [(), STILL[:1]])
def test_motion_of_each_input_must_be_given(motions: Any) -> None:
    with pytest.raises(ValueError, match="motion"):
        maps(gaussian_sigma_slots=1.0, motions=motions)
