"""The training code builds exactly what the processor and the vision tower of `tiny` see."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers.video_utils import VideoMetadata

sys.path.insert(0, str(Path(__file__).parents[2]))

from tam_video.datasets.questions import ShapeQuestion
from tam_video.datasets.shapes import COLORS
from tam_video.datasets.worlds import make_clip
from training.align import patchify
from training.language import SubjectCoach, answer_logits, symbolic_batch
from training.network import Symbols, keep_rows_fixed, make_model
from training.questions import make_questions
from training.symbolic import (
    IGNORE,
    Prompts,
    clip_cells,
    make_batch,
    sample_frames,
    with_look_alikes,
)
from training.vocabulary import SPLIT_WORDS, make_processor


@pytest.fixture(scope="module")
def processor():
    return make_processor()


@pytest.fixture(scope="module")
def model(processor):
    return make_model(processor.tokenizer)


def chat(video, question):
    first, *rest = [*question.history, (question.text, "")]
    turns = [{"role": "user", "content": [{"type": "video", "video": video}]}]
    turns[0]["content"].append({"type": "text", "text": first[0]})
    for (_, answer), (asked, _) in zip([first, *rest], rest, strict=False):
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        turns.append({"role": "user", "content": [{"type": "text", "text": asked}]})
    return turns


def encode(processor, clip, frames, question):
    video = np.stack([clip.render_frame(int(frame)) for frame in frames])
    metadata = VideoMetadata(
        total_num_frames=clip.num_frames,
        fps=float(clip.fps),
        duration=4.0,
        width=clip.width,
        height=clip.height,
        frames_indices=frames.tolist(),
    )
    options = {"do_sample_frames": False, "video_metadata": metadata, "return_metadata": True}
    return video, processor.apply_chat_template(
        chat(video, question),
        tokenize=True,
        return_dict=True,
        add_generation_prompt=True,
        return_tensors="pt",
        processor_kwargs=options,
    )


@pytest.mark.parametrize("kind", ["caption", "multi_turn"])
def test_prompts_positions_and_patches_are_the_processors(processor, model, kind):
    clip = make_clip(0, num_objects=2)
    frames = sample_frames(clip, 12)
    asked = make_questions(clip, np.random.default_rng(0))
    question = next(q for q in asked if q.kind == kind)
    video, inputs = encode(processor, clip, frames, question)
    length = inputs["input_ids"].shape[1]

    prompts = Prompts(processor.tokenizer)
    prefix = prompts.prefix(frames, np.ones(6 * 14 * 14, bool))
    ids, labels = prompts.branch(question)
    assert [*prefix.ids, *ids][:length] == inputs["input_ids"][0].tolist()
    said = [i for i in labels if i != IGNORE]
    assert processor.tokenizer.decode(said) == f"{question.answer}<|im_end|>"

    positions, _ = model.model.get_rope_index(
        inputs["input_ids"],
        inputs["mm_token_type_ids"],
        video_grid_thw=inputs["video_grid_thw"],
    )
    mine = np.tile(prefix.next_position + np.arange(len(ids)), (3, 1))
    mine = np.concatenate([prefix.positions, mine], 1)[:, :length]
    np.testing.assert_array_equal(mine, positions[:, 0].numpy())
    torch.testing.assert_close(patchify(video), inputs["pixel_values_videos"])


def test_questions_of_a_batch_do_not_see_each_other(processor, model):
    clip = make_clip(3, num_objects=2)
    frames = sample_frames(clip, 8)
    symbols = Symbols(processor.tokenizer, model.model.language_model.embed_tokens.weight.detach())
    prompts = Prompts(processor.tokenizer)
    keep = np.zeros(4 * 14 * 14, bool)
    keep[::9] = True
    features = [torch.randn(int(keep.sum()), symbols.empty.shape[0])]
    one = ShapeQuestion("shape", "What shape is the red object?", "The red object is a ring.")
    two = ShapeQuestion("count", "How many objects are there?", "There are two objects.")

    def logits(asked):
        batch = make_batch([clip], [frames], [keep], [asked], prompts=prompts)
        result, _ = answer_logits(model, batch, features)
        return result

    with torch.no_grad():
        alone, together = logits([two]), logits([one, two])
    torch.testing.assert_close(together[-len(alone) :], alone, atol=1e-4, rtol=1e-4)


def test_cells_follow_the_masks():
    clip = make_clip(1, num_objects=3)
    frames = sample_frames(clip, 12)
    cells = clip_cells(clip, frames)
    for slot in range(6):
        masks = [clip.masks(int(f)) for f in frames[2 * slot : 2 * slot + 2]]
        cover = np.mean(masks, 0).reshape(3, 14, 16, 14, 16).mean((2, 4))
        full = cover.max(0) > 0.95
        assert (cells.item[slot][full] == cover.argmax(0)[full]).all()
        assert (cells.cover[slot][full] > 0.9).all()
        assert (cells.item[slot][cover.max(0) == 0] == -1).all()


def test_the_subject_of_a_token_is_the_object_named_before_it(processor):
    prompts = Prompts(processor.tokenizer)
    colors = list(COLORS)
    text = "A red star moves left and an orange ring stays still."
    question = ShapeQuestion("caption", "Describe the video.", text)
    ids, result = prompts.branch(question)[0], prompts.subject(question)
    assert len(ids) == len(result)
    said = [
        (processor.tokenizer.decode([id_]), colors[subject])
        for id_, subject in zip(ids, result, strict=True)
        if subject != IGNORE
    ]
    assert said[:3] == [(" star", "red"), (" moves", "red"), (" left", "red")]
    assert said[-3:] == [(" stays", "orange"), (" still", "orange"), (".", "orange")]
    named = ShapeQuestion("motion", "How does the blue ring move?", "The blue ring moves up.")
    subjects = {s for s in prompts.subject(named) if s != IGNORE}
    assert subjects == {colors.index("blue")}
    unnamed = ShapeQuestion("count", "How many objects are there?", "There is one object.")
    assert set(prompts.subject(unnamed)) == {IGNORE}


def test_look_alikes_share_a_shape_and_nothing_else():
    clip = make_clip(4, num_objects=3)
    alike = with_look_alikes(clip, np.random.default_rng(0), share=1.0)
    assert len({item.shape for item in alike.objects}) == 1
    assert [
        replace(a, shape=b.shape) for a, b in zip(alike.objects, clip.objects, strict=True)
    ] == [*clip.objects]
    assert with_look_alikes(clip, np.random.default_rng(0), share=0.0) == clip


def test_the_coach_asks_for_the_embeddings_of_what_is_spoken_of(processor):
    network = make_model(processor.tokenizer)
    symbols = Symbols(
        processor.tokenizer, network.model.language_model.embed_tokens.weight.detach()
    )
    coach = SubjectCoach(network.model.language_model, symbols)
    batch, features = symbolic_batch(
        range(2), level=2, prompts=Prompts(processor.tokenizer), symbols=symbols, need={}
    )
    answer_logits(network, batch, features)
    untrained, _ = coach.loss(batch)
    rows = (batch.subject != IGNORE).nonzero()[:, 0]
    assert len(rows) > 10
    colors = batch.subject[batch.subject != IGNORE]
    shapes, motions = batch.traits[rows, colors][:, :2].T
    right = symbols.color[colors] + symbols.shape[shapes] + symbols.motion[motions]
    for layer in coach.outputs:
        coach.outputs[layer][batch.subject != IGNORE] = right
    record, share = coach.loss(batch)
    assert record < untrained / 2
    assert share == 1.0


def test_fixed_rows_get_no_gradient(processor):
    model = make_model(processor.tokenizer)
    table = model.model.language_model.embed_tokens.weight
    keep_rows_fixed(table, [3, 5])
    (table.sum() * 2).backward()
    assert table.grad[[3, 5]].abs().max() == 0
    assert table.grad[4].abs().min() > 0


def test_some_words_are_split_on_purpose(processor):
    for word, parts in SPLIT_WORDS.items():
        assert len(processor.tokenizer(f" {word}")["input_ids"]) == len(parts)
    text = "Ein Bär ☃ 猫 sleeps"
    assert processor.tokenizer.decode(processor.tokenizer(text)["input_ids"]) == text
