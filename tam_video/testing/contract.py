"""The test suite that every model family has to pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import GenerationOptions
from tam_video.models.boundary import quiet
from tam_video.models.capture import find_decoder, resolve_layer
from tam_video.models.conversation import assign_inputs
from tam_video.models.inference import with_answer
from tam_video.models.prompt import encode_prompt
from tam_video.testing.clips import (
    QUESTION,
    assert_cells_are_localised,
    assert_frames_feed_their_slots,
    make_batch,
    make_image,
    make_info,
    visual_features,
)
from tam_video.types import FrameBatch, Generation, Message

TURNS = (
    Message("user", "what moves in the video?"),
    Message("assistant", "the red square 方块😀"),
    Message("user", "where is it?"),
)
SHORT = GenerationOptions(max_new_tokens=6)


class ModelContract:
    """Base class for the tests of a model family; the test module must define a fixture `model`.

    Attributes:
        clips: (frames, height, width) of the clips whose cells are tested.
        short_clips: numbers of frames that must work.
        shows_images: whether the family takes images.
    """

    clips: tuple[tuple[int, int, int], ...] = ((7, 96, 160), (6, 176, 80))
    short_clips: tuple[int, ...] = (1, 2, 3, 6, 7)
    shows_images: bool = True

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls) -> FrameBatch:
        """A clip of the first size in `clips`."""
        return make_batch(*cls.clips[0])

    @pytest.fixture(scope="class")
    @classmethod
    def generation(cls, model: Any, batch: FrameBatch) -> Generation:
        """A short answer to a conversation with three turns."""
        result: Generation = model.generate(batch, TURNS, options=SHORT)
        first = len(_encode(model, batch)[1].input_ids) - 1
        positions = [token.position for token in result.tokens[result.num_prompt_tokens :]]
        if positions != list(range(first, first + len(positions))):
            pytest.fail("the model generates control tokens: use random weights of another seed")
        return result

    def test_it_reports_family_dtype_and_depth(self, model: Any) -> None:
        """The reported family, dtype and depth are equal to the checkpoint's values."""
        assert model.family == model.checkpoint.model.config.model_type
        assert (model.dtype, model.device) == ("float32", "cpu")
        assert model.num_layers == len(find_decoder(model.checkpoint.model).layers)

    def test_placeholders_fill_the_grid_and_frames_fill_the_slots(self, model: Any) -> None:
        """Cells have different positions unless they are deduplicated. Every frame has a slot."""
        for num_frames in self.short_clips:
            batch = make_batch(num_frames, *self.clips[0][1:])
            placed, _features = visual_features(model, [batch])
            layout, positions = placed[0].layout, placed[0].positions
            own = np.delete(positions, layout.deduplicated)
            assert len(np.unique(own)) == len(own)
            fed = [frame for slot in layout.frame_slots for frame in slot]
            assert fed == list(range(num_frames))

    def test_every_cell_is_where_the_layout_says(self, model: Any) -> None:
        """Changing a cell changes the feature of that cell most, in wide and in tall clips."""
        for shape in self.clips:
            assert_cells_are_localised(model, [make_batch(*shape)])

    def test_frames_of_the_returned_size_are_not_resized_again(self, model: Any) -> None:
        """Frames of size `frame_size` are not resized, and give as many cells as larger frames."""
        processor, least = model.checkpoint.processor.video_processor, model.adapter.least_frames
        options = {"do_sample_frames": False, "return_tensors": "pt"}
        for num_frames in self.short_clips:
            large = make_batch(max(num_frames, least), 512, 896)
            size = model.frame_size(large.info, num_frames)
            if size is None:
                continue
            small = make_batch(max(num_frames, least), *size).frames
            with quiet():
                whole = processor(videos=[large.frames], **options)
                resized = processor(videos=[small], **options)
                kept = processor(videos=[small], do_resize=False, **options)
            for name, value in resized.items():
                assert value.shape == whole[name].shape
                assert torch.equal(value, kept[name])

    def test_every_frame_feeds_the_slot_the_layout_says(self, model: Any) -> None:
        """Changing a frame changes its own slot most, with an odd or even number of frames."""
        for num_frames, height, width in self.clips:
            assert_frames_feed_their_slots(model, make_batch(num_frames, height, width))

    def test_an_image_is_a_clip_of_one_slot(self, model: Any) -> None:
        """Changing a cell of an image changes the feature of that cell most."""
        if not self.shows_images:
            return
        image = make_image(*self.clips[0][1:])
        placed, _features = visual_features(model, [image])
        assert placed[0].layout.t == 1
        assert_cells_are_localised(model, [image], num_probes=12)

    def test_prompt_tokens_spell_the_turns_and_nothing_else(
        self, model: Any, generation: Generation
    ) -> None:
        """The prompt tokens decode to the text of the turns."""
        prompt = generation.tokens[: generation.num_prompt_tokens]
        assert all(token.role == "prompt" and token.probability is None for token in prompt)
        text = "".join("".join(token.text for token in prompt).split())
        assert text == "".join("".join(turn.text for turn in TURNS).split())
        for token in prompt:
            assert token.text in generation.prompt_text[token.char_start : token.char_end]

    def test_token_positions_hold_the_token_ids(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """Prompt tokens are at their recorded positions, answer tokens one position later."""
        ids = _encode(model, batch)[1].input_ids
        prompt = generation.tokens[: generation.num_prompt_tokens]
        assert [int(ids[token.position]) for token in prompt] == [token.id for token in prompt]
        answer = generation.tokens[generation.num_prompt_tokens :]
        assert [token.position for token in answer] == [
            len(ids) - 1 + offset for offset in range(len(answer))
        ]
        assert generation.text_positions.tolist() == [t.position for t in generation.tokens]
        assert len(generation.scores) == max(t.position for t in generation.tokens) + 1

    def test_shared_vision_changes_no_bit(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """Answers and scores are bitwise equal with and without shared encodings."""
        other = make_batch(*self.clips[-1])
        with model.shared_vision():
            first = model.generate(batch, QUESTION, options=SHORT)
            second = model.generate(batch, TURNS, options=SHORT)
            model.generate(other, QUESTION, options=SHORT)
            again = model.generate(batch, QUESTION, options=SHORT)
        alone = model.generate(batch, QUESTION, options=SHORT)
        for actual, expected in ((first, alone), (second, generation), (again, alone)):
            assert actual.answer == expected.answer
            np.testing.assert_array_equal(actual.scores, expected.scores)

    def test_scores_equal_the_models_own_logits(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """The scores are equal to transformers' logits, including softcap and scale."""
        ids = [token.id for token in generation.tokens]
        _states, logits = _reference_states(model, batch, _answer_ids(generation))
        expected = logits[: len(generation.scores)].float().numpy()[:, ids]
        np.testing.assert_allclose(generation.scores, expected, atol=1e-4, rtol=1e-4)
        for token in generation.tokens[generation.num_prompt_tokens :]:
            chances = logits[token.position].float().softmax(dim=-1)
            assert token.probability == pytest.approx(float(chances[token.id]), abs=1e-4)
            assert token.candidates[0].probability == pytest.approx(float(chances.max()), abs=1e-4)

    def test_a_layer_is_its_hidden_states_through_the_final_norm(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """The scores of a layer are computed from its hidden states after the final norm.

        Layers are "input", a number, also from the end, or a fraction; alone or additional.
        """
        answer = _answer_ids(generation)
        states, _logits = _reference_states(model, batch, answer)
        norm = getattr(find_decoder(model.checkpoint.model), model.adapter.decoder_norm)
        depth = model.num_layers
        additional = ("input", *range(depth), 0.5, -1)
        options = GenerationOptions(max_new_tokens=6, mixed_layers=additional, logits="head")
        mixed = model.generate(batch, TURNS, options=options).layer_scores
        assert len(mixed) == 1 + depth
        for layer in ("input", *range(-depth, depth), 0.5):
            options = GenerationOptions(max_new_tokens=6, layer=layer, logits="head")
            got = model.generate(batch, TURNS, options=options)
            assert _answer_ids(got) == answer
            number = -1 if layer == "input" else resolve_layer(layer, num_layers=depth)
            state = states[number + 1]
            with torch.no_grad():
                state = state if number == depth - 1 else norm(state)
                head = model.checkpoint.model.get_output_embeddings()
                ids = [token.id for token in got.tokens]
                expected = head(state)[: len(got.scores), ids].float().numpy()
            np.testing.assert_allclose(got.scores, expected, atol=1e-4, rtol=1e-4)
            np.testing.assert_allclose(mixed[number + 1], expected, atol=1e-4, rtol=1e-4)

    def test_teacher_forcing_equals_generation(
        self,
        model: Any,
        batch: FrameBatch,
        generation: Generation,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A generated answer has the same scores if it is passed back as the given answer."""
        # The bytes of a random model may not survive as text, so the ids are passed directly.
        monkeypatch.setattr(model, "_answer_ids", lambda _answer: _answer_ids(generation))
        forced = model.generate(batch, TURNS, answer=generation.answer)
        assert forced.answer == generation.answer
        assert forced.scores.shape == generation.scores.shape
        np.testing.assert_allclose(forced.scores, generation.scores, atol=1e-4, rtol=1e-4)

    def test_a_given_answer_is_kept_unchanged(self, model: Any, batch: FrameBatch) -> None:
        """A given answer with CJK characters and emoji is kept unchanged."""
        got = model.generate(batch, QUESTION, answer="the red square 方 😀!")
        assert got.answer.strip() == "the red square 方 😀!"

    def test_one_prompt_changes_nothing_for_the_next(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """A call does not change the scores of the next call."""
        model.generate(make_batch(2, *self.clips[0][1:]), QUESTION, options=SHORT)
        again = model.generate(batch, TURNS, options=SHORT)
        np.testing.assert_array_equal(again.scores, generation.scores)

    def test_sampling_depends_on_the_seed_only(self, model: Any, batch: FrameBatch) -> None:
        """Sampling depends on the seed only, and keeps torch's random state unchanged."""

        def draw(seed: int) -> list[int]:
            options = GenerationOptions(
                max_new_tokens=8, do_sample=True, temperature=2.0, seed=seed
            )
            return _answer_ids(model.generate(batch, QUESTION, options=options))

        state = torch.random.get_rng_state()
        assert draw(1) == draw(1)
        assert torch.equal(state, torch.random.get_rng_state())

    def test_dropped_token_types_are_refused(
        self, model: Any, batch: FrameBatch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A prompt without token types is refused: M-RoPE positions would be wrong."""
        if not model.adapter.token_types:
            return
        processor = model.checkpoint.processor
        render = processor.apply_chat_template

        def without(*args: Any, **kwargs: Any) -> Any:
            encoded = render(*args, **kwargs)
            encoded.pop("mm_token_type_ids")
            return encoded

        monkeypatch.setattr(processor, "apply_chat_template", without)
        with pytest.raises(TokenAlignmentError, match="mm_token_type_ids"):
            model.generate(batch, QUESTION, options=SHORT)

    def test_native_sampling_gives_ascending_positions(self, model: Any) -> None:
        """The processor's sampling rule gives ascending frame numbers, in short and long clips."""
        for num_frames in (1, 2, 3, 5, 24, 240):
            info = make_info(num_frames, *self.clips[0][1:])
            got = model.sample_native(info, np.arange(num_frames) / 8.0)
            assert got.dtype == np.int64
            assert got[0] >= 0
            assert (np.diff(got) > 0).all()
            assert got[-1] < num_frames

    def test_hooks_are_removed(self, model: Any, generation: Generation) -> None:
        """After a call, tam-video has no hook left on the model."""
        modules = model.checkpoint.model.modules()
        hooks = [hook for module in modules for hook in module._forward_hooks.values()]
        assert not [hook for hook in hooks if getattr(hook, "__name__", "") == "keep"]


def _encode(
    model: Any, batch: FrameBatch, turns: Sequence[Message] = TURNS
) -> tuple[dict[str, Any], Any]:
    with quiet():
        return encode_prompt(
            [batch],
            assign_inputs(turns, num_inputs=1),
            checkpoint=model.checkpoint,
            family=model.adapter,
        )


@torch.no_grad()
def _reference_states(
    model: Any, batch: FrameBatch, answer_ids: list[int]
) -> tuple[list[Any], Any]:
    """Return every layer's hidden states and the logits, both as transformers computes them."""
    tensors, _prompt = _encode(model, batch)
    longer = with_answer(tensors, answer_ids, fill=model.adapter.answer_fill)
    out = model.checkpoint.model(**longer, use_cache=False, output_hidden_states=True)
    return [state[0] for state in out.hidden_states], out.logits[0]


def _answer_ids(generation: Generation) -> list[int]:
    return [token.id for token in generation.tokens if token.role == "answer"]
