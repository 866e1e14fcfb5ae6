"""The temporal options in the whole method: off they change nothing, on they do what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tam_video.tam.activation import input_activation_maps
from tam_video.tam.temporal import SlotMotion, TemporalOptions, slot_motion
from tam_video.types import VisualLayout

SHAPES = ((3, 4, 5), (1, 3, 3))


def arguments(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    num_cells = sum(int(np.prod(shape)) for shape in SHAPES)
    num_tokens = 7
    return {
        "scores": rng.normal(size=(num_cells + num_tokens, num_tokens)).astype(np.float32),
        "visual_positions": np.arange(num_cells),
        "text_positions": num_cells + np.arange(num_tokens),
        "token_strings": list("abcdefg"),
        "num_prompt_tokens": 3,
        "grids": SHAPES,
    }


def maps(**more: Any) -> tuple[np.ndarray, ...]:
    given = arguments()
    found = input_activation_maps(given.pop("scores"), **given, **more)
    return tuple(each.maps for each in found)


def test_a_switch_that_does_nothing_changes_nothing() -> None:
    published = maps()
    # a shrinkage without a mixture is not used, but takes the other path through the method
    same = maps(temporal=TemporalOptions(causal_shrinkage=2.0))
    for one, other in zip(published, same, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_inputs_are_filtered_apart() -> None:
    options = TemporalOptions(gaussian_sigma=1.0, breaks_at_cuts=False)
    published, smooth = maps(), maps(temporal=options)
    assert np.abs(smooth[0] - published[0]).max() > 0.01
    np.testing.assert_allclose(smooth[1], published[1], atol=1e-5)  # one slot has no neighbour


def test_a_cut_keeps_scenes_apart() -> None:
    options = TemporalOptions(gaussian_sigma=1.0)
    cuts = (SlotMotion(cuts=np.array([True, True])), SlotMotion(cuts=np.array([], bool)))
    for one, other in zip(maps(), maps(temporal=options, motions=cuts), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_context_of_the_same_phrase_is_kept_in() -> None:
    options = TemporalOptions(excludes_phrase=True)
    alone = np.full(7, -1)
    together = np.array([-1, -1, -1, 0, 0, 0, 0])
    assert np.abs(maps(temporal=options, phrases=together)[0] - maps()[0]).max() > 0.01
    np.testing.assert_allclose(maps(temporal=options, phrases=alone)[0], maps()[0], atol=1e-5)


def test_content_words_are_kept_out_of_one_another_only() -> None:
    options = TemporalOptions(excludes_content=True)
    content = np.array([False, False, False, True, False, True, True])
    kept, published = maps(temporal=options, content=content), maps()
    np.testing.assert_allclose(kept[0][[0, 1, 2, 3, 4]], published[0][[0, 1, 2, 3, 4]], atol=1e-5)
    assert np.abs(kept[0][5:] - published[0][5:]).max() > 0.01


def test_the_cap_of_content_words_is_theirs_alone() -> None:
    content = np.array([False, False, False, True, False, True, False])
    capped = maps(temporal=TemporalOptions(content_cap=1e-9), content=content)[0]
    loose = maps(temporal=TemporalOptions(causal_cap=1e-9))[0]
    published = maps()[0]
    np.testing.assert_allclose(capped[content], loose[content], atol=1e-5)
    np.testing.assert_allclose(capped[~content], published[~content], atol=1e-5)


def test_content_words_must_be_given_and_fit() -> None:
    for options in (TemporalOptions(excludes_content=True), TemporalOptions(content_cap=1.0)):
        for content in (None, np.zeros(3, np.bool_), np.zeros(7)):
            with pytest.raises(ValueError, match="content"):
                maps(temporal=options, content=content)


def test_several_layers_are_mixed_each_on_its_own_scale() -> None:
    scores = arguments()["scores"]
    options = TemporalOptions(layer_weights=(1.0, 0.0))
    loud = maps(layer_scores=(scores, 1000 * arguments(1)["scores"]), temporal=options)
    for one, other in zip(maps(), loud, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    even = maps(layer_scores=(scores, 1000 * scores))
    for one, other in zip(maps(), even, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_reference_profile_takes_no_options() -> None:
    with pytest.raises(ValueError, match="reference"):
        maps(profile="reference", temporal=TemporalOptions(rank_slots=3))


def test_what_is_needed_has_to_be_given() -> None:
    with pytest.raises(ValueError, match="cuts"):
        maps(temporal=TemporalOptions(rank_slots=3))


def test_a_clip_is_looked_at_for_what_is_needed_only() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (6, 64, 96, 3), np.uint8)
    layout = VisualLayout(3, 4, 6, ((0, 1), (2, 3), (4, 5)))
    seconds = np.arange(6) / 2
    none = slot_motion(frames, layout, TemporalOptions(), pts_seconds=seconds)
    assert none.flow is None
    assert none.cuts is None
    assert none.slot_seconds is not None
    np.testing.assert_allclose(none.slot_seconds, [0.25, 1.25, 2.25])
    every = slot_motion(frames, layout, TemporalOptions(rank_slots=3, is_aligned=True))
    assert every.flow is not None
    assert every.cuts is not None
    assert every.cuts.shape == (2,)
