"""Every variant of the ablation gives maps; the default is that of the package."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from motion_cases import layout_of
from profile_cases import profile_case

from benchmarks.temporal_ablation import VARIANTS
from benchmarks.variants import maps as variant_module
from benchmarks.variants.maps import Variant, farneback_flow, variant_maps, variant_motion
from tam_video.tam.activation import activate
from tam_video.tam.motion import grid_flow, input_motions
from tam_video.tam.words import join_words, word_maps
from tam_video.types import Generation


def one_input() -> tuple[object, Generation]:
    """The video of the profile case alone, with a layer before the four."""
    batches, whole = profile_case()
    generation = replace(
        whole,
        layouts=whole.layouts[:1],
        visual_positions=whole.visual_positions[: whole.layouts[0].num_cells],
        layer_scores=(whole.layer_scores[0], *whole.layer_scores),
    )
    return batches[0], generation


@pytest.fixture(scope="module")
def variant_arrays() -> dict[str, np.ndarray]:
    batch, generation = one_input()
    return {
        name: variant_maps(generation, variant, variant_motion(batch, generation, variant))
        for name, variant in VARIANTS.items()
    }


def test_the_ablation_of_the_docs_is_complete() -> None:
    assert len(VARIANTS) == 36


@pytest.mark.parametrize("name", VARIANTS)
def test_maps_are_finite_and_in_range(name: str, variant_arrays: dict[str, np.ndarray]) -> None:
    maps = variant_arrays[name]
    assert maps.shape[1:] == (6, 6, 8)
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_each_variant_changes_the_maps(variant_arrays: dict[str, np.ndarray]) -> None:
    # In this case no factor reaches the cap, and the sub-tokens of the word are of one length.
    inactive = {"default", "c no cap", "e sub-tokens by length"}
    for name, maps in variant_arrays.items():
        assert np.array_equal(maps, variant_arrays["default"]) == (name in inactive), name


def test_the_default_is_that_of_the_package(variant_arrays: dict[str, np.ndarray]) -> None:
    batch, generation = one_input()
    generation = replace(generation, layer_scores=generation.layer_scores[1:])
    maps = activate(generation, motions=input_motions((batch,), generation))[0].maps
    words = join_words(generation.tokens)
    for word, heat in zip(words, word_maps(maps, words), strict=True):
        np.testing.assert_array_equal(variant_arrays["default"][word.token_indices[0]], heat)


@pytest.mark.parametrize(("name", "subtokens"), [("first", 0), ("greatest of the", None)])
def test_words_take_their_sub_tokens_as_named(
    name: str, subtokens: int | None, variant_arrays: dict[str, np.ndarray]
) -> None:
    batch, generation = one_input()
    generation = replace(generation, layer_scores=generation.layer_scores[1:])
    maps = activate(generation, motions=input_motions((batch,), generation))[0].maps
    word = next(w for w in join_words(generation.tokens) if len(w.token_indices) == 2)
    parts = maps[list(word.token_indices)]
    got = variant_arrays[f"e {name} sub-token{'s' if subtokens is None else ''}"]
    expected = parts.max(axis=0) if subtokens is None else parts[subtokens]
    for index in word.token_indices:
        np.testing.assert_array_equal(got[index], expected)


def test_the_steps_of_the_variants_agree_with_the_package(
    monkeypatch: pytest.MonkeyPatch, variant_arrays: dict[str, np.ndarray]
) -> None:
    batch, generation = one_input()
    calls = []
    steps = variant_module._token_maps

    def counted(*given: object) -> np.ndarray:
        calls.append(given)
        return steps(*given)

    monkeypatch.setattr(variant_module, "_token_maps", counted)
    monkeypatch.setattr(Variant, "is_of_package", property(lambda self: False))
    for name in ("default", "a rank filter in each slot", "c all context", "f half of the depth"):
        variant = VARIANTS[name]
        maps = variant_maps(generation, variant, variant_motion(batch, generation, variant))
        np.testing.assert_allclose(maps, variant_arrays[name], atol=1e-5)
    assert len(calls) == 4


def test_farneback_follows_small_motion_of_fine_texture():
    rng = np.random.default_rng(0)
    canvas = cv2.GaussianBlur(rng.integers(0, 256, (240, 300, 3)).astype(np.uint8), (0, 0), 2)
    canvas = cv2.normalize(canvas, np.empty_like(canvas), 0, 255, cv2.NORM_MINMAX)
    frames = np.stack([canvas[20 - 4 * k : 212 - 4 * k, 20:276] for k in range(2)])

    variant_arrays = grid_flow(frames, layout_of(2), pixel_flow=farneback_flow)

    np.testing.assert_allclose(
        variant_arrays.forward[0], np.full((12, 16, 2), (4 / 16, 0)), atol=0.1
    )
