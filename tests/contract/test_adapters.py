"""What every model family must do, on a random-weight instance of its real transformers class."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tam_video.errors import TokenAlignmentError
from tam_video.models import FAMILIES, GenerationOptions, load_model
from tam_video.models.boundary import quiet
from tam_video.models.inference import with_answer
from tam_video.models.prompt import encode_prompt
from tam_video.types import Generation, Message

_spec = importlib.util.spec_from_file_location(
    "tiny_models", Path(__file__).parents[1] / "tiny_models.py"
)
tiny_models: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny_models)

QUESTION = (Message("user", "what moves?"),)
TURNS = (
    Message("system", "be short, please"),
    Message("user", "what moves in the video?"),
    Message("assistant", "the red square 方块😀"),
    Message("user", "where is it?"),
)
SHORT = GenerationOptions(max_new_tokens=6)


@pytest.fixture(scope="module", params=sorted(FAMILIES.targets))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with quiet():
        folder = tiny_models.save_tiny(request.param, tmp_path_factory.mktemp(request.param))
    return load_model(str(folder))


@pytest.fixture(scope="module")
def batch() -> Any:
    return tiny_models.make_batch(7, 96, 160)


@pytest.fixture(scope="module")
def generation(model: Any, batch: Any) -> Generation:
    return model.generate(batch, TURNS, options=SHORT)


def encode(model: Any, batch: Any, turns: tuple[Message, ...] = TURNS) -> tuple[Any, Any]:
    with quiet():
        return encode_prompt(batch, turns, checkpoint=model.checkpoint)


@torch.no_grad()
def slow_states(model: Any, batch: Any, answer_ids: list[int]) -> Any:
    """Every layer's states over prompt and answer, by transformers' own `output_hidden_states`."""
    inputs, _prompt = encode(model, batch)
    out = model.checkpoint.model(
        **with_answer(inputs, answer_ids), use_cache=False, output_hidden_states=True
    )
    return [state[0] for state in out.hidden_states], out.logits[0]


def answer_ids(generation: Generation) -> list[int]:
    return [token.id for token in generation.tokens if token.role == "answer"]


def test_it_says_what_it_is(model: Any) -> None:
    assert model.family == model.checkpoint.model.config.model_type
    assert (model.dtype, model.device, model.num_layers) == ("float32", "cpu", 3)
    assert model.temporal_patch_size == 2


@pytest.mark.parametrize("num_frames", [1, 2, 3, 6, 7])
def test_placeholders_fill_the_grid_and_frames_fill_the_slots(model: Any, num_frames: int) -> None:
    got = model.generate(tiny_models.make_batch(num_frames), QUESTION, answer="the red square")
    prompt = encode(model, tiny_models.make_batch(num_frames), QUESTION)[1]
    video_id = model.checkpoint.model.config.video_token_id
    assert (prompt.input_ids == video_id).sum() == np.prod(got.grid.shape)
    assert (prompt.input_ids[got.visual_positions] == video_id).all()
    assert [frame for slot in got.grid.frame_slots for frame in slot] == list(range(num_frames))
    assert {len(slot) for slot in got.grid.frame_slots[:-1]} <= {model.temporal_patch_size}


@pytest.mark.parametrize("shape", [(7, 96, 160), (6, 176, 80)], ids=["odd-wide", "even-tall"])
def test_the_feature_that_moves_most_is_the_changed_cell(
    model: Any, shape: tuple[int, int, int]
) -> None:
    batch = tiny_models.make_batch(*shape)
    grid = model.generate(batch, QUESTION, answer="the").grid
    network, processor = model.checkpoint.model, model.checkpoint.processor.video_processor

    @torch.no_grad()
    def features(frames: np.ndarray) -> torch.Tensor:
        with quiet():
            made = processor([frames], return_tensors="pt", do_sample_frames=False)
            out = network.model.get_video_features(
                made["pixel_values_videos"], made["video_grid_thw"]
            )
        return torch.cat(list(out.pooler_output))

    before = features(batch.frames)
    cells = np.random.default_rng(1).permutation(list(np.ndindex(*grid.shape)))[:24]
    assert len(cells) >= min(24, np.prod(grid.shape))
    for t, y, x in cells:
        moved = features(flip_cell(batch.frames, grid, (t, y, x)))
        assert (moved - before).norm(dim=-1).argmax() == (t * grid.h + y) * grid.w + x


def flip_cell(frames: np.ndarray, grid: Any, cell: tuple[int, int, int]) -> np.ndarray:
    """Invert the middle half of a cell's pixels in the frames that feed its slot."""
    t, y, x = cell
    height, width = frames.shape[1] / grid.h, frames.shape[2] / grid.w
    rows = slice(int((y + 0.25) * height), int((y + 0.75) * height) + 1)
    columns = slice(int((x + 0.25) * width), int((x + 0.75) * width) + 1)
    changed = frames.copy()
    for frame in grid.frame_slots[t]:
        changed[frame, rows, columns] = 255 - changed[frame, rows, columns]
    return changed


@pytest.mark.parametrize("num_frames", [6, 7])
def test_one_changed_frame_moves_only_its_slot(model: Any, num_frames: int) -> None:
    network, processor = model.checkpoint.model, model.checkpoint.processor.video_processor
    batch = tiny_models.make_batch(num_frames)
    grid = model.generate(batch, QUESTION, answer="the").grid

    @torch.no_grad()
    def by_slot(frames: np.ndarray) -> torch.Tensor:
        with quiet():
            made = processor([frames], return_tensors="pt", do_sample_frames=False)
            out = network.model.get_video_features(
                made["pixel_values_videos"], made["video_grid_thw"]
            )
        return torch.cat(list(out.pooler_output)).view(grid.t, -1)

    before = by_slot(batch.frames)
    for slot, frames in enumerate(grid.frame_slots):
        for frame in frames:
            changed = batch.frames.copy()
            changed[frame] = 255 - changed[frame]
            moved = (by_slot(changed) - before).norm(dim=-1)
            assert moved[slot] > 0.01
            assert np.delete(moved.numpy(), slot).max() < 1e-4


def test_prompt_tokens_spell_the_turns_and_nothing_else(model: Any, generation: Generation) -> None:
    assert generation.prompt_text == "\n".join(turn.text for turn in TURNS[1:])
    prompt = generation.tokens[: generation.num_prompt_tokens]
    assert all(token.role == "prompt" and token.probability is None for token in prompt)
    assert "".join(token.text for token in prompt) == "".join(turn.text for turn in TURNS[1:])
    for token in prompt:
        assert token.text in generation.prompt_text[token.char_start : token.char_end]


def test_token_positions_hold_the_token_ids(model: Any, batch: Any, generation: Generation) -> None:
    ids = encode(model, batch)[1].input_ids
    prompt = generation.tokens[: generation.num_prompt_tokens]
    assert [int(ids[token.position]) for token in prompt] == [token.id for token in prompt]
    answer = generation.tokens[generation.num_prompt_tokens :]
    assert [token.position for token in answer] == [len(ids) - 1 + j for j in range(len(answer))]
    assert [token.index for token in generation.tokens] == list(range(len(generation.tokens)))
    assert generation.text_positions.tolist() == [token.position for token in generation.tokens]
    assert len(generation.scores) == generation.tokens[-1].position + 1


def test_scores_equal_the_full_vocabulary(model: Any, batch: Any, generation: Generation) -> None:
    ids = [token.id for token in generation.tokens]
    _states, logits = slow_states(model, batch, answer_ids(generation))
    slow = logits[: len(generation.scores)].float().numpy()[:, ids]
    assert generation.scores.dtype == np.float32
    np.testing.assert_allclose(generation.scores, slow, atol=1e-4)


def test_probabilities_and_candidates_equal_the_full_softmax(
    model: Any, batch: Any, generation: Generation
) -> None:
    _states, logits = slow_states(model, batch, answer_ids(generation))
    for token in generation.tokens[generation.num_prompt_tokens :]:
        chances = logits[token.position].softmax(dim=-1)
        assert token.probability == pytest.approx(float(chances[token.id]), abs=1e-5)
        assert len(token.candidates) == 3
        assert token.candidates[0].probability == pytest.approx(float(chances.max()), abs=1e-5)
        assert token.candidates[0].id == token.id  # greedy


@pytest.mark.parametrize("layer", [-3, -2, 0, 1, 2])
def test_a_layer_is_its_hidden_states_through_the_final_norm(
    model: Any, batch: Any, generation: Generation, layer: int
) -> None:
    got = model.generate(batch, TURNS, options=GenerationOptions(max_new_tokens=6, layer=layer))
    assert answer_ids(got) == answer_ids(generation)
    states, _logits = slow_states(model, batch, answer_ids(got))
    network = model.checkpoint.model
    state = states[layer % 3 + 1]
    if layer % 3 != 2:
        state = network.get_decoder().norm(state)
    ids = [token.id for token in got.tokens]
    with torch.no_grad():
        slow = network.lm_head(state)[: len(got.scores), ids].numpy()
    np.testing.assert_allclose(got.scores, slow, atol=1e-4)
    if layer % 3 != 2:
        assert np.abs(got.scores - generation.scores).max() > 0.01
    first, again = (g.tokens[g.num_prompt_tokens].probability for g in (got, generation))
    assert first == pytest.approx(again, abs=1e-6)


def test_teacher_forcing_equals_generation(
    model: Any, batch: Any, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A random model's bytes need not survive text, so the ids are handed over as they are.
    monkeypatch.setattr(model, "_answer_ids", lambda _answer: answer_ids(generation))
    forced = model.generate(batch, TURNS, answer=generation.answer)
    assert forced.answer == generation.answer
    assert forced.scores.shape == generation.scores.shape
    np.testing.assert_allclose(forced.scores, generation.scores, atol=1e-4)
    for made, given in zip(generation.tokens, forced.tokens, strict=True):
        assert (made.id, made.position, made.text) == (given.id, given.position, given.text)
        if made.probability is not None:
            assert given.probability == pytest.approx(made.probability, abs=1e-5)


def test_a_given_answer_is_explained_as_it_is_written(model: Any, batch: Any) -> None:
    got = model.generate(batch, QUESTION, answer="the red square 方 😀!")
    assert got.answer == "the red square 方 😀!"
    expected = model.checkpoint.processor.tokenizer(got.answer)["input_ids"]
    assert answer_ids(got) == expected


def test_one_prompt_at_a_time_changes_nothing_for_the_next(
    model: Any, batch: Any, generation: Generation
) -> None:
    model.generate(tiny_models.make_batch(2), QUESTION, options=SHORT)
    again = model.generate(batch, TURNS, options=SHORT)
    np.testing.assert_array_equal(again.scores, generation.scores)


def test_chunked_prefill_is_joined(
    model: Any, batch: Any, generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.checkpoint.model.generation_config, "prefill_chunk_size", 10)
    chunked = model.generate(batch, TURNS, options=SHORT)
    assert answer_ids(chunked) == answer_ids(generation)
    np.testing.assert_allclose(chunked.scores, generation.scores, atol=1e-4)


def test_sampling_obeys_the_seed(model: Any, batch: Any) -> None:
    def draw(seed: int) -> list[int]:
        options = GenerationOptions(max_new_tokens=8, do_sample=True, temperature=2.0, seed=seed)
        return answer_ids(model.generate(batch, QUESTION, options=options))

    state = torch.random.get_rng_state()
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert torch.equal(state, torch.random.get_rng_state())


def test_reference_class_ids_change_round_zero_only(
    model: Any, batch: Any, generation: Generation
) -> None:
    options = GenerationOptions(max_new_tokens=6, class_ids="reference")
    got = model.generate(batch, TURNS, options=options)
    _states, logits = slow_states(model, batch, answer_ids(generation))
    ids = [token.id for token in got.tokens]
    ids[0] = int(logits[got.tokens[0].position].argmax())
    ids[got.num_prompt_tokens] = int(encode(model, batch)[1].input_ids[-1])
    slow = logits[: len(got.scores)].numpy()[:, ids]
    np.testing.assert_allclose(got.scores, slow, atol=1e-4)


def test_dropped_token_types_are_refused(
    model: Any, batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = model.checkpoint.processor
    render = processor.apply_chat_template

    def without(*args: Any, **kwargs: Any) -> Any:
        made = render(*args, **kwargs)
        made.pop("mm_token_type_ids")
        return made

    monkeypatch.setattr(processor, "apply_chat_template", without)
    with pytest.raises(TokenAlignmentError, match="mm_token_type_ids"):
        model.generate(batch, QUESTION, options=SHORT)


@pytest.fixture(autouse=True)
def _hooks_are_gone(model: Any) -> Iterator[None]:
    def count() -> int:
        # transformers keeps hooks of its own for output_hidden_states; ours are named `keep`.
        hooks = [h for m in model.checkpoint.model.modules() for h in m._forward_hooks.values()]
        return sum(getattr(hook, "__name__", "") == "keep" for hook in hooks)

    yield
    assert count() == 0


def test_native_sampling_gives_ascending_positions(model: Any) -> None:
    for num_frames in (1, 2, 3, 5, 24, 240):
        info = tiny_models.make_info(num_frames)
        got = model.sample_native(info, np.arange(num_frames) / 8.0)
        assert got.dtype == np.int64
        assert got[0] == 0
        assert (np.diff(got) > 0).all()
        assert got[-1] < num_frames
        if num_frames >= 24:
            assert len(got) == num_frames // 4  # 2 frames of 8 per second
