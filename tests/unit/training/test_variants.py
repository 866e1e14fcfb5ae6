"""The models made from `late` do what they are made for, here with `tiny` before training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tam_video.datasets.shapes import SHAPES
from tam_video.datasets.worlds import make_clip
from training.align import patchify
from training.late import MORE_WORDS, make_late, rotation
from training.symbolic import Prompts, sample_frames
from training.variants import (
    NUM_LAYERS,
    SINK_LAYER,
    make_deepstack,
    make_sinks,
    make_variant,
    run_prefix,
)
from training.vocabulary import make_tokenizer


@pytest.fixture(scope="module")
def trained() -> Any:
    return make_late(make_tokenizer(MORE_WORDS))


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    clip = make_clip(3, split="train", shapes=SHAPES)
    return np.stack([clip.render_frame(int(frame)) for frame in sample_frames(clip, 4)])


def features(model: Any, pixels: np.ndarray) -> Any:
    side = pixels.shape[1] // 16
    grid = torch.tensor([[len(pixels) // 2, side, side]])
    with torch.no_grad():
        return model.model.visual(patchify(pixels), grid_thw=grid, return_dict=True)


def test_the_features_of_late_are_rotated(trained: Any, pixels: np.ndarray) -> None:
    plain = features(trained, pixels).pooler_output
    turned = features(make_variant(trained), pixels).pooler_output
    torch.testing.assert_close(turned, plain @ rotation(), atol=1e-5, rtol=1e-4)


def test_input_and_deepstack_levels_sum_to_the_features_of_late(
    trained: Any, pixels: np.ndarray
) -> None:
    parts = features(make_deepstack(trained), pixels)
    assert len(parts.deepstack_features) == 3
    total = parts.pooler_output + sum(parts.deepstack_features)
    plain = features(trained, pixels).pooler_output
    torch.testing.assert_close(total, plain @ rotation(), atol=1e-4, rtol=1e-3)


def test_the_input_of_deepstack_has_no_component_of_a_noun(
    trained: Any, pixels: np.ndarray
) -> None:
    parts = features(make_deepstack(trained), pixels)
    table = trained.model.language_model.embed_tokens.weight.detach()
    star = table[make_tokenizer(MORE_WORDS)(" star")["input_ids"][0]]
    scores = parts.pooler_output @ rotation().T @ star
    assert scores.abs().max() < 1e-3
    assert sum(parts.deepstack_features).abs().max() > 0.1


def test_a_few_cells_of_sinks_have_a_large_norm_in_every_later_layer(
    trained: Any, pixels: np.ndarray
) -> None:
    model = make_sinks(trained)
    norms: list[torch.Tensor] = []
    language = model.model.language_model
    assert len(language.layers) == NUM_LAYERS
    for layer in language.layers:
        layer.register_forward_hook(lambda _m, _a, out: norms.append(out[0].norm(dim=-1)))
    clip = make_clip(3, split="train", shapes=SHAPES)
    frames = sample_frames(clip, 4)
    side = pixels.shape[1] // 16
    shape = (2, side, side)
    prefix = Prompts(make_tokenizer(MORE_WORDS)).prefix(frames, np.ones(2 * side * side, bool))
    with torch.no_grad():
        run_prefix(model, prefix, patchify(pixels), shape)
    is_cell = torch.from_numpy(prefix.cell >= 0)
    for layer_norms in norms[SINK_LAYER + 1 :]:
        cells = layer_norms[is_cell]
        count = int((cells > 10 * cells.median()).sum())
        assert 3 <= count < 0.05 * len(cells)
    assert (norms[0][is_cell] < 10 * norms[0][is_cell].median()).all()
