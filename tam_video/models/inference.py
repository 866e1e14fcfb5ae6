"""`VideoModel` for every family of transformers: ask, capture, read.

One forward hook on the decoder sees the last hidden states while the model generates; a second one
is set only when another layer is asked for. The family says where its tokens sit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import (
    DEFAULT_OPTIONS,
    Checkpoint,
    EncodedPrompt,
    Family,
    GenerationOptions,
    PromptLayout,
)
from tam_video.models.boundary import library_errors, quiet
from tam_video.models.capture import find_decoder, record_states, resolve_layer
from tam_video.models.conversation import check_conversation
from tam_video.models.offsets import token_spans
from tam_video.models.prompt import (
    check_prompt_text,
    control_ids,
    encode_prompt,
    refuse_control_tokens,
)
from tam_video.models.scores import TokenOdds, class_scores, most_probable_id, token_odds
from tam_video.types import (
    Candidate,
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

RUN_SEPARATOR = "\n"
# What a position of the answer holds in the inputs that have one value per position.
ANSWER_FILL = {"attention_mask": 1, "mm_token_type_ids": 0}


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
        self.family = family.model_type
        self.dtype = str(model.dtype).removeprefix("torch.")
        self.device = str(model.device)
        self.temporal_patch_size = int(checkpoint.processor.video_processor.temporal_patch_size)
        self.num_layers = len(find_decoder(model).layers)
        self.warnings = checkpoint.notes
        self._family = family

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
        has_rule = processor.fps is not None or processor.num_frames is not None
        with library_errors("run", name=self.name), quiet():
            chosen = processor.sample_frames(
                metadata, **({} if has_rule else {"fps": self._family.default_fps})
            )
        return np.unique(np.clip(np.asarray(chosen, dtype=np.int64), 0, num_frames - 1))

    def generate(
        self,
        batch: FrameBatch,
        conversation: Sequence[Message],
        *,
        options: GenerationOptions = DEFAULT_OPTIONS,
        answer: str | None = None,
    ) -> Generation:
        """Answer, or explain the given answer; see `VideoModel.generate`."""
        import torch

        turns = check_conversation(conversation)
        with library_errors("run", name=self.name), quiet(), torch.no_grad():
            inputs, prompt = encode_prompt(batch, turns, checkpoint=self.checkpoint)
            layout = self._family.layout(prompt, self.checkpoint)
            forced = None if answer is None else self._answer_ids(answer)
            run = self._run(inputs, options, forced=forced)
            return self._read(turns, prompt, layout=layout, run=run, options=options)

    def _answer_ids(self, answer: str) -> list[int]:
        tokenizer = self.checkpoint.processor.tokenizer
        refuse_control_tokens([answer], tokenizer=tokenizer)
        ids: list[int] = tokenizer(answer, add_special_tokens=False)["input_ids"]
        if not ids:
            raise ConfigError("the answer to explain is empty", hint="give a text")
        return ids

    def _run(
        self, inputs: Mapping[str, Any], options: GenerationOptions, *, forced: list[int] | None
    ) -> _Run:
        """Generate, or pass the forced answer through once, with the states captured."""
        import torch

        model = self.checkpoint.model
        decoder = find_decoder(model)
        layer = resolve_layer(options.layer, num_layers=self.num_layers)
        with ExitStack() as stack:
            last = stack.enter_context(record_states(decoder))
            inner = None
            if layer != self.num_layers - 1:
                inner = stack.enter_context(record_states(decoder.layers[layer]))
            if forced is None:
                answer_ids = sample_answer(model, inputs, options=options)
            else:
                answer_ids = forced
                model(**with_answer(inputs, forced), use_cache=False, logits_to_keep=1)
        states = torch.cat(last)
        if inner is None:
            return _Run(answer_ids, states, states)
        return _Run(answer_ids, states, self._family.final_norm(decoder)(torch.cat(inner)))

    def _read(
        self,
        turns: tuple[Message, ...],
        prompt: EncodedPrompt,
        *,
        layout: PromptLayout,
        run: _Run,
        options: GenerationOptions,
    ) -> Generation:
        tokenizer = self.checkpoint.processor.tokenizer
        head = self.checkpoint.model.get_output_embeddings()
        prompt_text, context = self._prompt_tokens(prompt, layout)
        check_prompt_text(prompt_text, turns)

        length = len(prompt.input_ids)
        controls = control_ids(tokenizer)
        kept = [place for place, id_ in enumerate(run.answer_ids) if id_ not in controls]
        ids = [run.answer_ids[place] for place in kept]
        positions = [length - 1 + place for place in kept]
        size = positions[-1] + 1 if positions else length
        if len(run.last) < size or len(run.asked) < size:
            raise TokenAlignmentError(f"{len(run.last)} states for {size} sequence positions")
        odds = token_odds(run.last[positions], head, ids=ids, num_candidates=options.num_candidates)
        answer, said = self._answer_tokens(ids, positions, odds=odds, first_index=len(context))

        tokens = (*context, *said)
        class_ids = np.array([token.id for token in tokens], dtype=np.int64)
        if options.class_ids == "reference":
            if context:
                class_ids[0] = most_probable_id(run.asked[context[0].position], head)
            if said:
                class_ids[len(context)] = prompt.input_ids[-1]
        return Generation(
            conversation=turns,
            prompt_text=prompt_text,
            answer=answer,
            tokens=tokens,
            num_prompt_tokens=len(context),
            grid=layout.grid,
            visual_positions=layout.visual_positions,
            text_positions=np.array([token.position for token in tokens], dtype=np.int64),
            scores=class_scores(run.asked[:size], head, class_ids=class_ids),
        )

    def _prompt_tokens(
        self, prompt: EncodedPrompt, layout: PromptLayout
    ) -> tuple[str, tuple[Token, ...]]:
        """Text tokens of the prompt, at their own positions; runs are joined by a line break."""
        text = ""
        tokens: list[Token] = []
        for run in layout.text_runs:
            ids = prompt.input_ids[run].tolist()
            first_index = len(tokens)
            start = len(text) + len(RUN_SEPARATOR) if text else 0
            run_text, spans = token_spans(self._decode, ids)
            text = f"{text}{RUN_SEPARATOR}{run_text}" if text else run_text
            tokens.extend(
                Token(
                    index=first_index + offset,
                    id=id_,
                    text=span.text,
                    role="prompt",
                    position=position,
                    char_start=start + span.start,
                    char_end=start + span.end,
                )
                for offset, (id_, span, position) in enumerate(
                    zip(ids, spans, run.tolist(), strict=True)
                )
            )
        return text, tuple(tokens)

    def _answer_tokens(
        self,
        ids: list[int],
        positions: list[int],
        *,
        odds: tuple[TokenOdds, ...],
        first_index: int,
    ) -> tuple[str, tuple[Token, ...]]:
        """Answer tokens, each at the position that predicted it."""
        text, spans = token_spans(self._decode, ids)
        tokens = (
            Token(
                index=first_index + offset,
                id=id_,
                text=span.text,
                role="answer",
                position=position,
                char_start=span.start,
                char_end=span.end,
                probability=chance.probability,
                candidates=tuple(
                    Candidate(other, self._decode([other]), value)
                    for other, value in chance.candidates
                ),
            )
            for offset, (id_, position, span, chance) in enumerate(
                zip(ids, positions, spans, odds, strict=True)
            )
        )
        return text, tuple(tokens)

    def _decode(self, ids: list[int]) -> str:
        text: str = self.checkpoint.processor.tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text


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


def with_answer(inputs: Mapping[str, Any], answer_ids: list[int]) -> dict[str, Any]:
    """Append an answer to encoded inputs, for one pass of teacher forcing."""
    import torch

    ids = inputs["input_ids"]
    answer = torch.tensor([answer_ids], dtype=ids.dtype, device=ids.device)
    longer = {"input_ids": torch.cat([ids, answer], dim=1)}
    for name, value in ANSWER_FILL.items():
        if name in inputs:
            filled = torch.full_like(answer, value, dtype=inputs[name].dtype)
            longer[name] = torch.cat([inputs[name], filled], dim=1)
    return {**inputs, **longer}
