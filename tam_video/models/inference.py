"""`VideoModel` for every family of transformers: ask, capture, read.

One forward hook on the decoder sees the last hidden states while the model generates; a second one
is set only when another layer is asked for. The family says where its tokens sit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

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
from tam_video.models.capture import find_decoder, record_inputs, record_states, resolve_layer
from tam_video.models.conversation import check_conversation, share_out
from tam_video.models.prompt import control_ids, encode_prompt, refuse_control_tokens
from tam_video.models.scores import class_scores, most_probable_id, token_odds
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
    """What a forward pass left behind: answer ids [J], last states and asked states [n, d]."""

    answer_ids: list[int]
    last: Tensor
    asked: Tensor


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
        turns = share_out(check_conversation(conversation), num_inputs=len(batches))
        with library_errors("run", name=self.name), quiet(), torch.no_grad():
            tensors, prompt = encode_prompt(
                batches, turns, checkpoint=self.checkpoint, family=self.adapter
            )
            placed = self.adapter.place(prompt, self.checkpoint)
            context = prompt_tokens(prompt, turns, placed, processor=self.checkpoint.processor)
            forced = None if answer is None else self._answer_ids(answer)
            run = self._run(tensors, options, forced=forced)
            return self._read(turns, prompt, placed, context=context, run=run, options=options)

    def _answer_ids(self, answer: str) -> list[int]:
        tokenizer = self.checkpoint.processor.tokenizer
        refuse_control_tokens([answer], tokenizer=tokenizer)
        ids: list[int] = tokenizer(answer, add_special_tokens=False)["input_ids"]
        if not ids:
            raise ConfigError("the answer to explain is empty", hint="give a text")
        return ids

    def _run(
        self, tensors: Mapping[str, Any], options: GenerationOptions, *, forced: list[int] | None
    ) -> _Run:
        """Generate, or pass the forced answer through once, with the states captured."""
        import torch

        model = self.checkpoint.model
        decoder = find_decoder(model)
        with ExitStack() as stack:
            last = stack.enter_context(record_states(decoder))
            inner = None
            if options.layer == "input":
                inner = stack.enter_context(record_inputs(decoder.layers[0]))
            else:
                layer = resolve_layer(options.layer, num_layers=self.num_layers)
                if layer != self.num_layers - 1:
                    inner = stack.enter_context(record_states(decoder.layers[layer]))
            if forced is None:
                answer_ids = sample_answer(model, tensors, options=options)
            else:
                answer_ids = forced
                longer = with_answer(tensors, forced, fill=self.adapter.answer_fill)
                model(**longer, use_cache=False, logits_to_keep=1)
        states = torch.cat(last)
        if inner is None:
            return _Run(answer_ids, states, states)
        norm = getattr(decoder, self.adapter.decoder_norm)
        return _Run(answer_ids, states, norm(torch.cat(inner)))

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
        if len(run.last) < size or len(run.asked) < size:
            raise TokenAlignmentError(f"{len(run.last)} states for {size} sequence positions")
        odds = token_odds(
            run.last[positions],
            head,
            ids=ids,
            num_candidates=options.num_candidates,
            transform=transform,
        )
        answer, said = answer_tokens(
            ids, positions, tokenizer=tokenizer, odds=odds, first_index=len(asked)
        )

        tokens = (*asked, *said)
        class_ids = np.array([token.id for token in tokens], dtype=np.int64)
        if options.class_ids == "reference":
            if asked:
                class_ids[0] = most_probable_id(run.asked[asked[0].position], head)
            if said:
                class_ids[len(asked)] = prompt.input_ids[-1]
        return Generation(
            conversation=turns,
            prompt_text=prompt_text,
            answer=answer,
            tokens=tokens,
            num_prompt_tokens=len(asked),
            layouts=tuple(each.layout for each in placed),
            visual_positions=np.concatenate([each.positions for each in placed]),
            text_positions=np.array([token.position for token in tokens], dtype=np.int64),
            scores=class_scores(
                run.asked[:size],
                head,
                class_ids=class_ids,
                transform=transform if options.logits == "model" else LogitTransform(),
            ),
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
