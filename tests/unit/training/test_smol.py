"""Parts of the training of `smol` that need no downloaded weights."""

import numpy as np
import pytest
import torch
from torch import nn

from tam_video.datasets.pictograms import PICTOGRAMS
from tam_video.datasets.shapes import SHAPES
from tam_video.datasets.worlds import make_clip
from training.english import english_questions, rephrased
from training.smol import LowRank, merge_changes
from training.smol_state import stored_names
from training.symbolic import PICTURES
from training.tower import MERGE, PATCH, make_tower, merge_order, patchify, tower_states


def test_patches_are_those_of_the_processor() -> None:
    from transformers import Qwen2VLVideoProcessor

    frames = np.random.default_rng(0).integers(0, 256, (4, 64, 96, 3), dtype=np.uint8)
    processor = Qwen2VLVideoProcessor(
        patch_size=PATCH,
        merge_size=MERGE,
        temporal_patch_size=2,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_resize=False,
        do_sample_frames=False,
    )
    square = frames[:, :, :64]
    expected = processor(
        [torch.from_numpy(square).permute(0, 3, 1, 2)], return_tensors="pt"
    ).pixel_values_videos
    np.testing.assert_allclose(patchify(square), expected, atol=1e-5)


def test_merge_order_lists_blocks_of_four_patches() -> None:
    assert merge_order(4).tolist()[:8] == [0, 1, 4, 5, 2, 3, 6, 7]
    assert sorted(merge_order(14).tolist()) == list(range(196))


def test_slots_of_the_tower_do_not_attend_to_each_other() -> None:
    torch.manual_seed(0)
    tower = make_tower(32).eval()
    frames = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        both = tower_states(tower, patchify(frames), 2)
        second = tower_states(tower, patchify(frames[2:]), 1)
    torch.testing.assert_close(both[16:], second, atol=1e-4, rtol=1e-4)


def test_a_low_rank_change_is_merged_into_the_weights() -> None:
    torch.manual_seed(0)
    base = nn.Linear(6, 5)
    change = LowRank(base, rank=2)
    nn.init.normal_(change.up)
    x = torch.randn(3, 6)
    expected = nn.functional.linear(x, change.merged(), base.bias)
    torch.testing.assert_close(change(x), expected)
    model = nn.ModuleDict({"q": nn.Linear(6, 5)})
    model["q"].load_state_dict(base.state_dict())
    merge_changes(model, {"q.up": change.up.detach(), "q.down": change.down.detach()})
    torch.testing.assert_close(model["q"].weight, change.merged())


def test_trained_tensors_get_the_names_of_the_model() -> None:
    one = torch.ones(1)
    named = stored_names({"changes.5.up": one, "changes.5.down": one, "merger.ln_q.bias": one})
    owner = "model.language_model.layers.1.self_attn.k_proj"
    assert set(named) == {f"{owner}.up", f"{owner}.down", "model.visual.merger.ln_q.bias"}


@pytest.mark.parametrize("seed", range(6))
def test_questions_in_ordinary_words_are_true(seed: int) -> None:
    nouns = PICTURES if seed % 2 else SHAPES
    clip = make_clip(seed, split="train", shapes=nouns)
    questions = english_questions(clip, np.random.default_rng(seed), nouns=nouns)
    present = {item.shape for item in clip.objects}
    for question in questions:
        if question.kind == "which" and "colors" not in question.text:
            answer = question.answer.rstrip(".").split()[-1]
            assert answer in present
            offered = [noun for noun in nouns if noun in question.text]
            assert len(offered) == 3
            assert len(present.intersection(offered)) == 1
        if question.kind == "yes_no":
            assert question.answer == ("No." if question.is_negative else "Yes.")
    if seed % 2:
        assert present <= set(PICTOGRAMS)


def test_a_question_is_rephrased_around_its_object() -> None:
    rng = np.random.default_rng(0)
    texts = {rephrased("How does the red cat move?", rng) for _ in range(30)}
    assert texts == {
        "How does the red cat move?",
        "What does the red cat do?",
        "In which direction does the red cat move?",
    }
    assert rephrased("Say hello.", rng) == "Say hello."
