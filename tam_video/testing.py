"""The contract that every model adapter has to keep, for our own families and for plug-ins.

In a test module, give a fixture `model` (what `tam_video.models.load_model` returns for a
random-weight checkpoint of the family) and subclass the suite::

    from tam_video.testing import ModelContract

    @pytest.fixture(scope="module")
    def model(tmp_path_factory):
        return load_model(str(save_my_random_checkpoint(tmp_path_factory.mktemp("mine"))))

    class TestMine(ModelContract):
        pass

It checks the layout by changing source pixels and looking at which visual token moves most: a
mis-ordered grid can't pass. Needs pytest and torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import GenerationOptions, PlacedLayout
from tam_video.models.boundary import quiet
from tam_video.models.capture import find_decoder, resolve_layer
from tam_video.models.conversation import assign_inputs
from tam_video.models.inference import with_answer
from tam_video.models.prompt import encode_prompt
from tam_video.types import ByteArray, FrameBatch, Generation, Message, VideoInfo, VisualLayout

__all__ = [
    "ModelContract",
    "assert_cells_are_localised",
    "assert_frames_feed_their_slots",
    "make_batch",
    "make_image",
    "visual_features",
]

QUESTION = (Message("user", "what moves?"),)
TURNS = (
    Message("user", "what moves in the video?"),
    Message("assistant", "the red square 方块😀"),
    Message("user", "where is it?"),
)
SHORT = GenerationOptions(max_new_tokens=6)
NUM_PROBES = 24


def make_info(num_frames: int, height: int, width: int, *, is_image: bool = False) -> VideoInfo:
    """What is known of a made-up clip of 4 frames per second."""
    return VideoInfo(
        Path("picture.png" if is_image else "clip.mp4"),
        num_frames,
        width,
        height,
        Fraction(4),
        num_frames / 4,
        is_image=is_image,
    )


def make_batch(
    num_frames: int = 7, height: int = 96, width: int = 160, *, seed: int = 0
) -> FrameBatch:
    """A textured clip where no frame and no cell is constant; 4 frames per second."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).normal(0, 6, (num_frames, height, width, 3))
    waves = [
        90 + 30 * np.sin(x / 17 + t / 3)[..., None] + 20 * np.cos(y / 13 - t / 5)[..., None]
        for t in range(num_frames)
    ]
    frames = np.clip(np.stack(waves) + noise, 0, 255).astype(np.uint8)
    info = make_info(num_frames, height, width)
    return FrameBatch(frames, np.arange(num_frames), np.arange(num_frames) / 4.0, info)


def make_image(height: int = 96, width: int = 160, *, seed: int = 3) -> FrameBatch:
    """A textured still picture."""
    batch = make_batch(1, height, width, seed=seed)
    return replace(batch, info=make_info(1, height, width, is_image=True))


class _SeenError(Exception):
    """The decoder was reached: its input is known, the rest need not run."""


@torch.no_grad()
def visual_features(
    model: Any, inputs: Sequence[FrameBatch], turns: Sequence[Message] = QUESTION
) -> tuple[tuple[PlacedLayout, ...], list[torch.Tensor]]:
    """What the decoder is given at the cells of each input.

    Args:
        model: a loaded `TransformersModel`.
        inputs: the frames of each vision input.
        turns: the conversation.

    Returns:
        The layouts with their positions, and float [t*h*w, d] for each.
    """
    family, checkpoint = model.adapter, model.checkpoint
    seen: list[torch.Tensor] = []

    def grab(_module: Any, args: Any, kwargs: Any) -> None:
        embeds = kwargs.get("inputs_embeds")
        seen.append((args[0] if embeds is None else embeds)[0])
        raise _SeenError

    with quiet():
        conversation = assign_inputs(turns, num_inputs=len(inputs))
        tensors, prompt = encode_prompt(inputs, conversation, checkpoint=checkpoint, family=family)
        placed = family.place(prompt, checkpoint)
        handle = find_decoder(checkpoint.model).register_forward_pre_hook(grab, with_kwargs=True)
        try:
            checkpoint.model(**tensors, use_cache=False, logits_to_keep=1)
        except _SeenError:
            pass
        finally:
            handle.remove()
    return placed, [seen[0][torch.from_numpy(each.positions)].float() for each in placed]


def flip_cell(
    frames: ByteArray, layout: VisualLayout, cell: tuple[int, int, int]
) -> ByteArray | None:
    """Invert the middle half of a cell's pixels in the frames that feed its slot.

    Returns:
        The changed frames; None for a cell whose middle lies outside of the picture.
    """
    slot, row, column = cell
    height, width = frames.shape[1:3]
    left, top, right, bottom = layout.cell_box(row, column, width=width, height=height)
    across, down = (right - left) / 4, (bottom - top) / 4
    x0, x1 = int(left + across), int(np.ceil(right - across))
    y0, y1 = int(top + down), int(np.ceil(bottom - down))
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        return None
    changed = frames.copy()
    for frame in layout.frame_slots[slot]:
        changed[frame, y0:y1, x0:x1] = 255 - changed[frame, y0:y1, x0:x1]
    return changed


def assert_cells_are_localised(
    model: Any,
    inputs: Sequence[FrameBatch],
    *,
    number: int = 0,
    turns: Sequence[Message] = QUESTION,
    num_probes: int = NUM_PROBES,
) -> None:
    """Change one cell's source pixels: its own visual token has to move most, for every probe."""
    placed, before = visual_features(model, inputs, turns)
    layout, frames = placed[number].layout, inputs[number].frames
    cells = np.random.default_rng(1).permutation(list(np.ndindex(*layout.shape)))
    probed = 0
    for cell in cells.tolist():
        flat = int(np.ravel_multi_index(cell, layout.shape))
        changed = None if flat in layout.deduplicated else flip_cell(frames, layout, tuple(cell))
        if changed is None:
            continue
        moved = [*inputs]
        moved[number] = replace(inputs[number], frames=changed)
        _placed, after = visual_features(model, moved, turns)
        change = [(a - b).norm(dim=-1) for a, b in zip(after, before, strict=True)]
        most = max(range(len(change)), key=lambda k: float(change[k].max()))
        found = (most, int(change[most].argmax()))
        assert found == (number, flat), f"cell {cell}: token {flat} expected, {found} moved most"
        probed += 1
        if probed == num_probes:
            return
    assert probed > 0


def assert_frames_feed_their_slots(model: Any, batch: FrameBatch) -> None:
    """Change one source frame: the tokens of the slot it feeds have to move most."""
    placed, (before,) = visual_features(model, [batch])
    layout = placed[0].layout
    assert [frame for slot in layout.frame_slots for frame in slot] == list(
        range(len(batch.frames))
    )
    for slot, fed in enumerate(layout.frame_slots):
        for frame in fed:
            changed = batch.frames.copy()
            changed[frame] = 255 - changed[frame]
            _placed, (after,) = visual_features(model, [replace(batch, frames=changed)])
            moved = (after - before).view(layout.t, -1).norm(dim=-1)
            assert int(moved.argmax()) == slot
            assert moved[slot] > 1e-3


class ModelContract:
    """Subclass it in a test module that has a fixture `model`.

    Attributes:
        clips: (frames, height, width) of the clips that are localised.
        short_clips: numbers of frames that must work.
        shows_images: whether the family takes still pictures.
    """

    clips: tuple[tuple[int, int, int], ...] = ((7, 96, 160), (6, 176, 80))
    short_clips: tuple[int, ...] = (1, 2, 3, 6, 7)
    shows_images: bool = True

    @pytest.fixture(scope="class")
    @classmethod
    def batch(cls) -> FrameBatch:
        """A clip of the first size."""
        return make_batch(*cls.clips[0])

    @pytest.fixture(scope="class")
    @classmethod
    def generation(cls, model: Any, batch: FrameBatch) -> Generation:
        """An answer of a few tokens to a conversation of three turns."""
        found: Generation = model.generate(batch, TURNS, options=SHORT)
        return found

    def test_it_says_what_it_is(self, model: Any) -> None:
        """Family, number type and depth are those of the checkpoint."""
        assert model.family == model.checkpoint.model.config.model_type
        assert (model.dtype, model.device) == ("float32", "cpu")
        assert model.num_layers == len(find_decoder(model.checkpoint.model).layers)

    def test_placeholders_fill_the_grid_and_frames_fill_the_slots(self, model: Any) -> None:
        """Every own cell has a position of its own, every frame a slot."""
        for num_frames in self.short_clips:
            batch = make_batch(num_frames, *self.clips[0][1:])
            placed, _features = visual_features(model, [batch])
            layout, positions = placed[0].layout, placed[0].positions
            own = np.delete(positions, layout.deduplicated)
            assert len(np.unique(own)) == len(own)
            fed = [frame for slot in layout.frame_slots for frame in slot]
            assert fed == list(range(num_frames))

    def test_every_cell_is_where_the_layout_says(self, model: Any) -> None:
        """The visual feature that moves most is the changed cell's, in wide and tall clips."""
        for shape in self.clips:
            assert_cells_are_localised(model, [make_batch(*shape)])

    def test_frames_of_the_told_size_are_not_resized_again(self, model: Any) -> None:
        """They make as many cells as frames of the source, and pass the processor as they are."""
        processor, least = model.checkpoint.processor.video_processor, model.adapter.least_frames
        how = {"do_sample_frames": False, "return_tensors": "pt"}
        for num_frames in self.short_clips:
            large = make_batch(max(num_frames, least), 512, 896)
            size = model.frame_size(large.info, num_frames)
            if size is None:
                continue
            small = make_batch(max(num_frames, least), *size).frames
            with quiet():
                whole = processor(videos=[large.frames], **how)
                found = processor(videos=[small], **how)
                kept = processor(videos=[small], do_resize=False, **how)
            for name, value in found.items():
                assert value.shape == whole[name].shape
                assert torch.equal(value, kept[name])

    def test_every_frame_feeds_the_slot_the_layout_says(self, model: Any) -> None:
        """An odd and an even number of frames."""
        for num_frames, height, width in self.clips:
            assert_frames_feed_their_slots(model, make_batch(num_frames, height, width))

    def test_an_image_is_a_clip_of_one_slot(self, model: Any) -> None:
        """A still picture is localised as well."""
        if not self.shows_images:
            return
        image = make_image(*self.clips[0][1:])
        placed, _features = visual_features(model, [image])
        assert placed[0].layout.t == 1
        assert_cells_are_localised(model, [image], num_probes=12)

    def test_prompt_tokens_spell_the_turns_and_nothing_else(
        self, model: Any, generation: Generation
    ) -> None:
        """The text of the prompt tokens is the turns' text."""
        prompt = generation.tokens[: generation.num_prompt_tokens]
        assert all(token.role == "prompt" and token.probability is None for token in prompt)
        found = "".join("".join(token.text for token in prompt).split())
        assert found == "".join("".join(turn.text for turn in TURNS).split())
        for token in prompt:
            assert token.text in generation.prompt_text[token.char_start : token.char_end]

    def test_token_positions_hold_the_token_ids(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """A prompt token sits at its own position, an answer token one before its own."""
        ids = _encode(model, batch)[1].input_ids
        prompt = generation.tokens[: generation.num_prompt_tokens]
        assert [int(ids[token.position]) for token in prompt] == [token.id for token in prompt]
        answer = generation.tokens[generation.num_prompt_tokens :]
        assert [token.position for token in answer] == [
            len(ids) - 1 + place for place in range(len(answer))
        ]
        assert generation.text_positions.tolist() == [t.position for t in generation.tokens]
        assert len(generation.scores) == max(t.position for t in generation.tokens) + 1

    def test_shared_vision_changes_no_bit(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """Two questions on a clip, one on another and the first again, encodings being kept."""
        other = make_batch(*self.clips[-1])
        with model.shared_vision():
            first = model.generate(batch, QUESTION, options=SHORT)
            second = model.generate(batch, TURNS, options=SHORT)
            model.generate(other, QUESTION, options=SHORT)
            again = model.generate(batch, QUESTION, options=SHORT)
        alone = model.generate(batch, QUESTION, options=SHORT)
        for found, wanted in ((first, alone), (second, generation), (again, alone)):
            assert found.answer == wanted.answer
            np.testing.assert_array_equal(found.scores, wanted.scores)

    def test_scores_equal_the_models_own_logits(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """Hook and M columns against transformers' full logits, softcap and scale included."""
        ids = [token.id for token in generation.tokens]
        _states, logits = _slow_states(model, batch, _answer_ids(generation))
        slow = logits[: len(generation.scores)].float().numpy()[:, ids]
        np.testing.assert_allclose(generation.scores, slow, atol=1e-4, rtol=1e-4)
        for token in generation.tokens[generation.num_prompt_tokens :]:
            chances = logits[token.position].float().softmax(dim=-1)
            assert token.probability == pytest.approx(float(chances[token.id]), abs=1e-4)
            assert token.candidates[0].probability == pytest.approx(float(chances.max()), abs=1e-4)

    def test_a_layer_is_its_hidden_states_through_the_final_norm(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """Every layer, by number, from the end, by share of the depth, and what enters.

        Asked for alone or beside another one, each of them once.
        """
        answer = _answer_ids(generation)
        states, _logits = _slow_states(model, batch, answer)
        norm = getattr(find_decoder(model.checkpoint.model), model.adapter.decoder_norm)
        depth = model.num_layers
        beside = ("input", *range(depth), 0.5, -1)
        options = GenerationOptions(max_new_tokens=6, mixed_layers=beside, logits="head")
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
                slow = head(state)[: len(got.scores), ids].float().numpy()
            np.testing.assert_allclose(got.scores, slow, atol=1e-4, rtol=1e-4)
            np.testing.assert_allclose(mixed[number + 1], slow, atol=1e-4, rtol=1e-4)

    def test_teacher_forcing_equals_generation(
        self,
        model: Any,
        batch: FrameBatch,
        generation: Generation,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """One pass over a given answer gives the scores of generating it."""
        # A random model's bytes need not survive text, so the ids are handed over as they are.
        monkeypatch.setattr(model, "_answer_ids", lambda _answer: _answer_ids(generation))
        forced = model.generate(batch, TURNS, answer=generation.answer)
        assert forced.answer == generation.answer
        assert forced.scores.shape == generation.scores.shape
        np.testing.assert_allclose(forced.scores, generation.scores, atol=1e-4, rtol=1e-4)

    def test_a_given_answer_is_explained_as_it_is_written(
        self, model: Any, batch: FrameBatch
    ) -> None:
        """Accents, CJK and emoji included."""
        got = model.generate(batch, QUESTION, answer="the red square 方 😀!")
        assert got.answer.strip() == "the red square 方 😀!"

    def test_one_prompt_changes_nothing_for_the_next(
        self, model: Any, batch: FrameBatch, generation: Generation
    ) -> None:
        """No state is kept between calls."""
        model.generate(make_batch(2, *self.clips[0][1:]), QUESTION, options=SHORT)
        again = model.generate(batch, TURNS, options=SHORT)
        np.testing.assert_array_equal(again.scores, generation.scores)

    def test_sampling_obeys_the_seed(self, model: Any, batch: FrameBatch) -> None:
        """And leaves the random state of torch alone."""

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
        """Where M-RoPE or a two-way mask needs them, silence would be wrong positions."""
        if not model.adapter.token_types:
            return
        processor = model.checkpoint.processor
        render = processor.apply_chat_template

        def without(*args: Any, **kwargs: Any) -> Any:
            made = render(*args, **kwargs)
            made.pop("mm_token_type_ids")
            return made

        monkeypatch.setattr(processor, "apply_chat_template", without)
        with pytest.raises(TokenAlignmentError, match="mm_token_type_ids"):
            model.generate(batch, QUESTION, options=SHORT)

    def test_native_sampling_gives_ascending_positions(self, model: Any) -> None:
        """Whatever the processor's own rule is, for short and long clips."""
        for num_frames in (1, 2, 3, 5, 24, 240):
            info = make_info(num_frames, *self.clips[0][1:])
            got = model.sample_native(info, np.arange(num_frames) / 8.0)
            assert got.dtype == np.int64
            assert got[0] >= 0
            assert (np.diff(got) > 0).all()
            assert got[-1] < num_frames

    def test_hooks_are_gone(self, model: Any, generation: Generation) -> None:
        """Nothing of ours stays on the network."""
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
def _slow_states(model: Any, batch: FrameBatch, answer_ids: list[int]) -> tuple[list[Any], Any]:
    """Every layer's states over prompt and answer, by transformers' own `output_hidden_states`."""
    tensors, _prompt = _encode(model, batch)
    longer = with_answer(tensors, answer_ids, fill=model.adapter.answer_fill)
    out = model.checkpoint.model(**longer, use_cache=False, output_hidden_states=True)
    return [state[0] for state in out.hidden_states], out.logits[0]


def _answer_ids(generation: Generation) -> list[int]:
    return [token.id for token in generation.tokens if token.role == "answer"]
