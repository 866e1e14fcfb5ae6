"""`VideoModel` for every family of transformers: ask, capture, read.

One forward hook on the decoder sees the last hidden states while the model generates; a second one
is set only when another layer is asked for. The family says where its tokens sit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import (
    DEFAULT_OPTIONS,
    Checkpoint,
    EncodedPrompt,
    Family,
    GenerationOptions,
    LogitTransform,
    PlacedLayout,
)
from tam_video.models.boundary import library_errors, quiet
from tam_video.models.capture import (
    States,
    find_decoder,
    record_inputs,
    record_last_rows,
    record_states,
    resolve_layer,
)
from tam_video.models.conversation import assign_inputs, check_conversation, refuse_broken_text
from tam_video.models.prompt import control_ids, encode_prompt, refuse_control_tokens
from tam_video.models.scores import (
    NextTokens,
    TokenOdds,
    class_scores,
    most_probable_id,
    next_tokens,
    seen_odds,
    token_odds,
    transformed,
)
from tam_video.models.sharing import shared_vision
from tam_video.models.tokens import answer_tokens, prompt_tokens
from tam_video.types import (
    Float64Array,
    FrameBatch,
    Generation,
    IntArray,
    Message,
    Token,
    VideoInfo,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What a forward pass left behind.

    Attributes:
        answer_ids: J ids.
        last: the model's own last states.
        asked: those of the asked layer.
        mixed: those of each further layer.
        seen: what was seen of the logits of each answer token; empty where they were not.
    """

    answer_ids: list[int]
    last: States
    asked: States
    mixed: tuple[States, ...]
    seen: list[NextTokens]


@dataclass(frozen=True, slots=True, eq=False)
class RecordedLayers:
    """States of some layers, which grow with every call of the model.

    Attributes:
        places: the asked layer, then the further ones.
        last: the model's own last states, call by call.
        inner: the states of the places below the last layer, call by call.
        norm: the decoder's final norm.
    """

    places: tuple[int | Literal["input"], ...]
    last: list[Tensor]
    inner: Mapping[int | Literal["input"], list[Tensor]]
    norm: Any

    def states(self) -> tuple[States, list[States]]:
        """The last states; and those of each place, to be read through the final norm."""
        last = States(self.last)
        read = {place: States(found, self.norm) for place, found in self.inner.items()}
        return last, [read.get(place, last) for place in self.places]


class TransformersModel:
    """A transformers checkpoint as a `VideoModel`; see the protocol for attributes and methods.

    `warnings` are the fallbacks that were taken while loading, in words.
    """

    def __init__(self, checkpoint: Checkpoint, family: Family) -> None:
        model = checkpoint.model
        self.checkpoint = checkpoint
        self.name = checkpoint.name
        self.revision = checkpoint.revision
        self.family = str(model.config.model_type)
        self.dtype = str(model.dtype).removeprefix("torch.")
        self.device = str(model.device)
        self.temporal_patch_size = int(
            getattr(checkpoint.processor.video_processor, "temporal_patch_size", None) or 1
        )
        self.num_layers = len(find_decoder(model).layers)
        self.warnings = checkpoint.notes
        self.adapter = family

    def sample_native(self, info: VideoInfo, pts_seconds: Float64Array) -> IntArray:
        """Pick frames by the processor's own rule; see `VideoModel.sample_native`."""
        from transformers.video_utils import VideoMetadata

        num_frames = len(pts_seconds)
        if num_frames <= self.temporal_patch_size:
            return np.arange(num_frames)
        span_seconds = float(pts_seconds[-1] - pts_seconds[0])
        if span_seconds <= 0:
            raise ValueError("pts_seconds must ascend")
        fps = (num_frames - 1) / span_seconds
        metadata = VideoMetadata(
            total_num_frames=num_frames,
            fps=fps,
            duration=num_frames / fps,
            width=info.width,
            height=info.height,
        )
        processor = self.checkpoint.processor.video_processor
        rule = sampling_rule(processor, self.adapter, num_frames=num_frames)
        with library_errors("run", name=self.name), quiet():
            chosen = processor.sample_frames(metadata, **rule)
        return np.unique(np.clip(np.asarray(chosen, dtype=np.int64), 0, num_frames - 1))

    def frame_size(self, info: VideoInfo, num_frames: int) -> tuple[int, int] | None:
        """The size that the processor makes of frames; see `VideoModel.frame_size`."""
        count = max(num_frames, self.adapter.least_frames)
        source = (info.height, info.width)
        with library_errors("run", name=self.name), quiet():
            size = self.adapter.frame_size(self.checkpoint.processor, count, source)
        if size is None or size[0] > source[0] or size[1] > source[1]:
            return None
        return size

    def generate(
        self,
        inputs: FrameBatch | Sequence[FrameBatch],
        conversation: Sequence[Message],
        *,
        options: GenerationOptions = DEFAULT_OPTIONS,
        answer: str | None = None,
    ) -> Generation:
        """Answer, or explain the given answer; see `VideoModel.generate`."""
        import torch

        batches = (inputs,) if isinstance(inputs, FrameBatch) else tuple(inputs)
        turns = assign_inputs(check_conversation(conversation), num_inputs=len(batches))
        with library_errors("run", name=self.name), quiet(), torch.no_grad():
            tensors, prompt = encode_prompt(
                batches, turns, checkpoint=self.checkpoint, family=self.adapter
            )
            placed = self.adapter.place(prompt, self.checkpoint)
            context = prompt_tokens(prompt, turns, placed, processor=self.checkpoint.processor)
            forced = None if answer is None else self._answer_ids(answer)
            run = self._run(tensors, options, forced=forced)
            return self._read(turns, prompt, placed, context=context, run=run, options=options)

    def shared_vision(self) -> AbstractContextManager[Callable[[], None]]:
        """Encode pictures once for questions in a row; see `VideoModel.shared_vision`."""
        return shared_vision(self.checkpoint.model)

    def _answer_ids(self, answer: str) -> list[int]:
        tokenizer = self.checkpoint.processor.tokenizer
        refuse_broken_text(answer)
        refuse_control_tokens([answer], tokenizer=tokenizer)
        ids: list[int] = tokenizer(answer, add_special_tokens=False)["input_ids"]
        if not ids:
            raise ConfigError("the answer to explain is empty", hint="give a text")
        return ids

    def _run(
        self, tensors: Mapping[str, Any], options: GenerationOptions, *, forced: list[int] | None
    ) -> _Run:
        """Generate, or pass the forced answer through once, with the states captured."""
        model = self.checkpoint.model
        with self.record_layers(options) as recorded:
            if forced is None:
                with self._record_odds(options) as seen:
                    answer_ids = sample_answer(model, tensors, options=options)
            else:
                answer_ids, seen = forced, []
                longer = with_answer(tensors, forced, fill=self.adapter.answer_fill)
                model(**longer, use_cache=False, logits_to_keep=1)
        # A model may well compute its logits without calling the head.
        seen = seen if len(seen) == len(answer_ids) else []
        last, (asked, *mixed) = recorded.states()
        return _Run(answer_ids, last=last, asked=asked, mixed=tuple(mixed), seen=seen)

    def _record_odds(self, options: GenerationOptions) -> AbstractContextManager[list[NextTokens]]:
        """Sum up the logits of every step while the model has them."""
        model = self.checkpoint.model
        transform = self.adapter.logit_transform(model.config)
        return record_last_rows(
            model.get_output_embeddings(),
            lambda row: next_tokens(transformed(row.float(), transform), options.num_candidates),
        )

    @contextmanager
    def record_layers(self, options: GenerationOptions) -> Iterator[RecordedLayers]:
        """Record the states that scores are read from, as long as the block runs.

        Args:
            options: `layer` and `mixed_layers` say which.

        Yields:
            What was recorded, to be read when the model has run.

        Raises:
            ConfigError: no such layer.
        """
        decoder = find_decoder(self.checkpoint.model)
        places = self._places(options)
        with ExitStack() as stack:
            last = stack.enter_context(record_states(decoder))
            inner = {
                place: stack.enter_context(self._record(decoder, place))
                for place in set(places) - {self.num_layers - 1}
            }
            norm = getattr(decoder, self.adapter.decoder_norm)
            yield RecordedLayers(tuple(places), last, inner, norm)

    def _places(self, options: GenerationOptions) -> list[int | Literal["input"]]:
        """The asked layer, then the further ones, each of those once."""
        asked, *mixed = (
            place if place == "input" else resolve_layer(place, num_layers=self.num_layers)
            for place in (options.layer, *options.mixed_layers)
        )
        return [asked, *dict.fromkeys(mixed)]

    def _record(
        self, decoder: Any, place: int | Literal["input"]
    ) -> AbstractContextManager[list[Tensor]]:
        if place == "input":
            return record_inputs(decoder.layers[0])
        return record_states(decoder.layers[place])

    def _read(
        self,
        turns: tuple[Message, ...],
        prompt: EncodedPrompt,
        placed: tuple[PlacedLayout, ...],
        *,
        context: tuple[str, tuple[Token, ...]],
        run: _Run,
        options: GenerationOptions,
    ) -> Generation:
        tokenizer = self.checkpoint.processor.tokenizer
        head = self.checkpoint.model.get_output_embeddings()
        transform = self.adapter.logit_transform(self.checkpoint.model.config)
        prompt_text, asked = context

        length = len(prompt.input_ids)
        controls = control_ids(tokenizer)
        kept = [place for place, id_ in enumerate(run.answer_ids) if id_ not in controls]
        ids = [run.answer_ids[place] for place in kept]
        positions = [length - 1 + place for place in kept]
        size = positions[-1] + 1 if positions else length
        states = (run.asked, *run.mixed)
        if any(len(each) < size for each in (run.last, *states)):
            raise TokenAlignmentError(f"{len(run.last)} states for {size} sequence positions")
        odds = self._odds(run, kept, positions, options=options)
        answer, said = answer_tokens(
            ids, positions, tokenizer=tokenizer, odds=odds, first_index=len(asked)
        )

        tokens = (*asked, *said)
        class_ids = np.array([token.id for token in tokens], dtype=np.int64)
        if options.class_ids == "reference":
            if asked:
                class_ids[0] = most_probable_id(run.asked.at([asked[0].position])[0], head)
            if said:
                class_ids[len(asked)] = prompt.input_ids[-1]
        kept_transform = transform if options.logits == "model" else LogitTransform()
        # The asked layer is often one of those that are mixed: each is read once.
        read = {
            each: class_scores(each, head, class_ids=class_ids, transform=kept_transform)[:size]
            for each in dict.fromkeys(states)
        }
        scores, *layer_scores = (read[each] for each in states)
        return Generation(
            conversation=turns,
            prompt_text=prompt_text,
            answer=answer,
            tokens=tokens,
            num_prompt_tokens=len(asked),
            layouts=tuple(each.layout for each in placed),
            visual_positions=np.concatenate([each.positions for each in placed]),
            text_positions=np.array([token.position for token in tokens], dtype=np.int64),
            scores=scores,
            layer_scores=tuple(layer_scores),
        )

    def _odds(
        self, run: _Run, kept: list[int], positions: list[int], *, options: GenerationOptions
    ) -> tuple[TokenOdds, ...]:
        """Odds of the answer tokens at the places `kept`, predicted at `positions`."""
        if not kept:
            return ()
        model = self.checkpoint.model
        head, transform = model.get_output_embeddings(), self.adapter.logit_transform(model.config)
        ids, states = [run.answer_ids[place] for place in kept], run.last.at(positions)
        if run.seen:
            seen = [run.seen[place] for place in kept]
            return seen_odds(seen, states, head, ids=ids, transform=transform)
        return token_odds(
            states, head, ids=ids, num_candidates=options.num_candidates, transform=transform
        )


def sampling_rule(processor: Any, family: Family, *, num_frames: int) -> dict[str, Any]:
    """Arguments with which a video processor's `sample_frames` does what its checkpoint asks for.

    Its `__call__` hands over the settings by name, so not every rule reads them from itself.

    Args:
        processor: the video processor.
        family: what is done where the checkpoint has no rule.
        num_frames: frames to choose from; some rules raise where they want more.
    """
    known = set(signature(processor.sample_frames).parameters) - {"metadata", "fps", "num_frames"}
    settings = {name: getattr(processor, name, None) for name in sorted(known)}
    rule = {name: value for name, value in settings.items() if value is not None}
    if processor.fps is not None:
        return rule
    wanted = processor.num_frames or family.default_num_frames
    if wanted is None:
        rule["fps"] = family.default_fps
    elif processor.num_frames is None or wanted > num_frames:
        rule["num_frames"] = min(wanted, num_frames)
    return rule


def sample_answer(
    model: Any, inputs: Mapping[str, Any], *, options: GenerationOptions
) -> list[int]:
    """Let the model answer; greedy unless `options` say otherwise.

    The checkpoint's own sampling defaults are not used: the same options mean the same everywhere.

    Returns:
        Ids of the answer, the end of turn included where the model got there.
    """
    import torch

    draw: dict[str, Any] = {"do_sample": False}
    if options.do_sample:
        draw = {
            "do_sample": True,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "top_k": options.top_k,
        }
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(options.seed)
        sequences = model.generate(**inputs, max_new_tokens=options.max_new_tokens, **draw)
    answer_ids: list[int] = sequences[0, inputs["input_ids"].shape[1] :].tolist()
    return answer_ids


def with_answer(
    inputs: Mapping[str, Any], answer_ids: list[int], *, fill: Mapping[str, int]
) -> dict[str, Any]:
    """Append an answer to encoded inputs, for one pass of teacher forcing.

    Args:
        inputs: the model's arguments for a prompt.
        answer_ids: the answer.
        fill: what an answer position holds in the inputs that have one value per position.
    """
    import torch

    ids = inputs["input_ids"]
    answer = torch.tensor([answer_ids], dtype=ids.dtype, device=ids.device)
    longer = {"input_ids": torch.cat([ids, answer], dim=1)}
    for name, value in fill.items():
        if name in inputs:
            filled = torch.full_like(answer, value, dtype=inputs[name].dtype)
            longer[name] = torch.cat([inputs[name], filled], dim=1)
    return {**inputs, **longer}
