from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tam_video.methods.activation import Eci, Logit, LogitFiltered, Tam, TamReference
from tam_video.tam import rank_gaussian_filter
from tam_video.tam.activation import activate
from tam_video.tam.options import PUBLISHED
from tam_video.types import Generation

PAPER = Tam(options=PUBLISHED)


def joint_by_loops(maps: np.ndarray, generation: Generation) -> np.ndarray:
    """Min-max over the cells of all inputs and the shared text, token by token."""
    scores, prompt = generation.scores, generation.num_prompt_tokens
    scaled = np.zeros(maps.shape)
    for m in range(len(maps)):
        shared = range(prompt) if m < prompt else range(m)
        text = [max(0.0, float(scores[generation.text_positions[k], m])) for k in shared]
        low, high = min([*maps[m], *text]), max([*maps[m], *text])
        scaled[m] = (maps[m] - low) / (high - low)
    return scaled


def flat(maps: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate([part.reshape(len(part), -1) for part in maps], axis=1)


@pytest.mark.parametrize(
    ("method", "profile"), [(PAPER, "published"), (TamReference(), "reference")]
)
def test_the_published_steps_are_what_the_stage_makes(
    generation: Generation, method: Any, profile: Any
) -> None:
    for part, each in zip(
        method.explain(generation).maps, activate(generation, profile=profile), strict=True
    ):
        np.testing.assert_array_equal(part, each.maps)


def test_logit_is_the_raw_map_on_the_joint_scale(generation: Generation) -> None:
    raw = np.maximum(generation.scores[generation.visual_positions].T, 0)
    maps = flat(Logit().explain(generation).maps)
    np.testing.assert_allclose(maps, joint_by_loops(raw, generation), atol=1e-6)


def test_eci_is_the_corrected_map_on_the_joint_scale(generation: Generation) -> None:
    parts = activate(generation, profile="published")
    corrected = np.concatenate([each.corrected for each in parts], axis=1)
    maps = flat(Eci().explain(generation).maps)
    np.testing.assert_allclose(maps, joint_by_loops(corrected, generation), atol=1e-6)
    assert not np.allclose(maps, flat(Logit().explain(generation).maps))


def test_the_filter_and_the_correction_make_tam(generation: Generation) -> None:
    logit, filtered = Logit().explain(generation).maps, LogitFiltered().explain(generation).maps
    for part, smooth in zip(logit, filtered, strict=True):
        np.testing.assert_allclose(smooth, rank_gaussian_filter(part), atol=1e-6)
    for part, each in zip(
        Eci().explain(generation).maps, PAPER.explain(generation).maps, strict=True
    ):
        np.testing.assert_allclose(rank_gaussian_filter(part), each, atol=1e-6)


def test_equal_scores_give_maps_of_0(generation_with: Callable[[Any], Generation]) -> None:
    flat_scores = np.full((34, 5), 2.0, dtype=np.float32)
    for method in (Logit(), LogitFiltered(), Eci(), PAPER):
        for part in method.explain(generation_with(flat_scores)).maps:
            assert not part.any()
