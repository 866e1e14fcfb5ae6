"""Implement `VideoModel` with transformers: generate, record states, compute scores.

One forward hook on the decoder records the last hidden states while the model generates; further
ones record other layers on request. The family locates the visual tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import (
    DEFAULT_OPTIONS,
    Checkpoint,
    Family,
    GenerationOptions,
    LogitTransform,
)
from tam_video.models.boundary import library_errors, quiet
from tam_video.models.capture import (
    RecordedLayers,
    States,
    find_decoder,
    record_last_rows,
    record_layer_results,
    record_layers,
    record_states,
    resolve_layer,
)
from tam_video.models.conversation import refuse_broken_text
from tam_video.models.encoding import EncodedConversation, encode_conversation
from tam_video.models.prompt import control_ids, refuse_control_tokens
from tam_video.models.scores import (
    NextTokens,
    TokenOdds,
    class_scores,
    most_probable_id,
    next_tokens,
    recorded_odds,
    token_odds,
    transformed,
)
from tam_video.models.sharing import shared_vision
from tam_video.models.sinks import record_norms
from tam_video.models.tokens import answer_tokens
from tam_video.types import (
    Float64Array,
    FloatArray,
    FrameBatch,
    Generation,
    IntArray,
    Message,
    VideoInfo,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Token ids and recorded states of one answer."""

    answer_ids: list[int]
    last: States  # the model's own
    layers: list[States]  # of the main layer, then of each additional one
    logits: list[NextTokens]  # of each answer token; empty if they were not recorded


class TransformersModel:
    """A `VideoModel` that runs a transformers checkpoint; `VideoModel` documents all members."""

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
        """Choose frames by the processor's sampling rule; see `VideoModel.sample_native`."""
        from transformers.video_utils import VideoMetadata

        num_frames = len(pts_seconds)
        if num_frames <= self.temporal_patch_size:
            return np.arange(num_frames)
        span_seconds = float(pts_seconds[-1] - pts_seconds[0])
        if span_seconds <= 0:
            raise ValueError("'pts_seconds' must increase")
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
        """Return the size that the processor resizes frames to; see `VideoModel.frame_size`."""
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
        """Generate an answer, or run the model on the given answer; see `VideoModel.generate`."""
        import torch

        with library_errors("run", name=self.name), quiet(), torch.no_grad():
            encoded = encode_conversation(
                inputs, conversation, checkpoint=self.checkpoint, family=self.adapter
            )
            forced = None if answer is None else self._answer_ids(answer)
            decoder = find_decoder(self.checkpoint.model)
            with record_norms(decoder, encoded.cells) as norms:
                run = self._run(encoded.tensors, options, forced=forced)
            return replace(self._read(encoded, run, options), sinks=norms.sinks())

    def score_layers(
        self,
        inputs: FrameBatch | Sequence[FrameBatch],
        conversation: Sequence[Message],
        answer: str,
    ) -> Generation:
        """Compute the scores of a given answer at every decoder layer, in one forward pass.

        Each layer's scores are computed by a hook while the model runs, and no layer's states are
        kept: memory grows by L * (V + M) * M float32.

        Args:
            inputs: as in `generate`.
            conversation: as in `generate`.
            answer: the answer, which is teacher-forced.

        Returns:
            The answer with `layer_scores` of the first to the last layer: float32 [V + M, M] each.
            The positions of cells and text count these rows. `scores` are those of the last layer.

        Raises:
            ConfigError: the conversation or the answer is not valid.
            ModelError: the model fails.
        """
        import torch

        with library_errors("run", name=self.name), quiet(), torch.no_grad():
            encoded = encode_conversation(
                inputs, conversation, checkpoint=self.checkpoint, family=self.adapter
            )
            forced = self._answer_ids(answer)
            decoder = find_decoder(self.checkpoint.model)
            norm = getattr(decoder, self.adapter.decoder_norm)
            rows, class_ids = encoded.rows(forced)

            def scored(states: Tensor, *, normed: bool) -> FloatArray:
                picked = states[torch.as_tensor(rows, device=states.device)]
                read = [picked if normed else norm(picked)]
                return self.layer_scores(
                    read, class_ids, num_positions=len(rows), options=DEFAULT_OPTIONS
                )[0]

            with (
                record_layer_results(decoder, scored) as tables,
                record_states(decoder) as last,
                record_norms(decoder, encoded.cells) as norms,
            ):
                longer = with_answer(encoded.tensors, forced, fill=self.adapter.answer_fill)
                self.checkpoint.model(**longer, use_cache=False, logits_to_keep=1)
            run = _Run(forced, States(last), [States(last)], [])
            generation = self._read(encoded, run, DEFAULT_OPTIONS)
        num_cells = len(generation.visual_positions)
        return replace(
            generation,
            scores=tables[-1],
            layer_scores=tuple(tables),
            sinks=norms.sinks(),
            visual_positions=np.arange(num_cells),
            text_positions=np.arange(num_cells, len(rows)),
        )

    def shared_vision(self) -> AbstractContextManager[Callable[[], None]]:
        """Encode frames only once for several questions; see `VideoModel.shared_vision`."""
        return shared_vision(self.checkpoint.model)

    def _answer_ids(self, answer: str) -> list[int]:
        tokenizer = self.checkpoint.processor.tokenizer
        refuse_broken_text(answer)
        refuse_control_tokens([answer], tokenizer=tokenizer)
        ids: list[int] = tokenizer(answer, add_special_tokens=False)["input_ids"]
        if not ids:
            raise ConfigError(
                "the answer to explain is empty", hint="pass a text with at least one character"
            )
        return ids

    def _run(
        self, tensors: Mapping[str, Any], options: GenerationOptions, *, forced: list[int] | None
    ) -> _Run:
        """Generate an answer or run the model on the forced answer, and record the states."""
        model = self.checkpoint.model
        transform = self.adapter.logit_transform(model.config)

        def summarise(row: Tensor) -> NextTokens:
            return next_tokens(transformed(row.float(), transform), options.num_candidates)

        with self.record_layers(options) as recorded:
            if forced is None:
                with record_last_rows(model.get_output_embeddings(), summarise) as logits:
                    answer_ids = sample_answer(model, tensors, options=options)
            else:
                answer_ids, logits = forced, []
                longer = with_answer(tensors, forced, fill=self.adapter.answer_fill)
                model(**longer, use_cache=False, logits_to_keep=1)
        # Some models compute their logits without calling the head.
        logits = logits if len(logits) == len(answer_ids) else []
        last, layers = recorded.states()
        return _Run(answer_ids, last, layers, logits)

    def record_layers(self, options: GenerationOptions) -> AbstractContextManager[RecordedLayers]:
        """While the block runs, record the hidden states from which scores are computed."""
        main, *mixed = (
            layer if layer == "input" else resolve_layer(layer, num_layers=self.num_layers)
            for layer in (options.layer, *options.mixed_layers)
        )
        decoder = find_decoder(self.checkpoint.model)
        layers = [main, *dict.fromkeys(mixed)]
        return record_layers(decoder, layers, norm=self.adapter.decoder_norm)

    def layer_scores(
        self,
        layers: Sequence[States | Tensor],
        class_ids: IntArray,
        *,
        num_positions: int,
        options: GenerationOptions,
    ) -> list[FloatArray]:
        """Compute float32 [S, M] for each layer: the logits of M vocabulary ids at S positions."""
        model = self.checkpoint.model
        head, transform = model.get_output_embeddings(), LogitTransform()
        if options.logits == "model":
            transform = self.adapter.logit_transform(model.config)
        read = {
            each: class_scores(each, head, class_ids=class_ids, transform=transform)[:num_positions]
            for each in dict.fromkeys(layers)
        }
        return [read[each] for each in layers]

    def _read(
        self, encoded: EncodedConversation, run: _Run, options: GenerationOptions
    ) -> Generation:
        tokenizer = self.checkpoint.processor.tokenizer
        from_prompt = encoded.tokens
        length = len(encoded.prompt.input_ids)
        controls = control_ids(tokenizer)
        kept = [index for index, id_ in enumerate(run.answer_ids) if id_ not in controls]
        positions = [length - 1 + index for index in kept]
        size = positions[-1] + 1 if positions else length
        if any(len(each) < size for each in (run.last, *run.layers)):
            raise TokenAlignmentError(f"{len(run.last)} states were recorded for {size} positions")
        answer, generated = answer_tokens(
            [run.answer_ids[index] for index in kept],
            positions,
            tokenizer=tokenizer,
            odds=self._odds(run, kept, positions, options=options),
            first_index=len(from_prompt),
        )
        tokens = (*from_prompt, *generated)
        class_ids = np.array([token.id for token in tokens], dtype=np.int64)
        if options.class_ids == "reference":
            head = self.checkpoint.model.get_output_embeddings()
            if from_prompt:
                first = run.layers[0].at([from_prompt[0].position])[0]
                class_ids[0] = most_probable_id(first, head)
            if generated:
                class_ids[len(from_prompt)] = encoded.prompt.input_ids[-1]
        scores, *layer_scores = self.layer_scores(
            run.layers, class_ids, num_positions=size, options=options
        )
        return Generation(
            conversation=encoded.turns,
            prompt_text=encoded.text,
            answer=answer,
            tokens=tokens,
            num_prompt_tokens=len(from_prompt),
            layouts=tuple(each.layout for each in encoded.placed),
            visual_positions=encoded.cells,
            text_positions=np.array([token.position for token in tokens], dtype=np.int64),
            scores=scores,
            layer_scores=tuple(layer_scores),
        )

    def _odds(
        self, run: _Run, kept: list[int], positions: list[int], *, options: GenerationOptions
    ) -> tuple[TokenOdds, ...]:
        """Compute probability and candidates of the answer tokens whose indices are in `kept`."""
        if not kept:
            return ()
        model = self.checkpoint.model
        head, transform = model.get_output_embeddings(), self.adapter.logit_transform(model.config)
        ids, states = [run.answer_ids[index] for index in kept], run.last.at(positions)
        if run.logits:
            logits = [run.logits[index] for index in kept]
            return recorded_odds(logits, states, head, ids=ids, transform=transform)
        return token_odds(
            states, head, ids=ids, num_candidates=options.num_candidates, transform=transform
        )


def sampling_rule(processor: Any, family: Family, *, num_frames: int) -> dict[str, Any]:
    """Return the arguments that a checkpoint sets for its video processor's `sample_frames`.

    The processor's `__call__` passes the settings by name, so not every rule reads its attributes.
    At most `num_frames` are requested, since some rules fail if there are fewer.
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
    """Generate the token ids of an answer, including the end token.

    The checkpoint's sampling defaults are ignored, so options mean the same for every model.
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
    """Append an answer to the model's arguments for a prompt; `fill` is `Family.answer_fill`."""
    import torch

    ids = inputs["input_ids"]
    answer = torch.tensor([answer_ids], dtype=ids.dtype, device=ids.device)
    longer = {"input_ids": torch.cat([ids, answer], dim=1)}
    for name, value in fill.items():
        if name in inputs:
            filled = torch.full_like(answer, value, dtype=inputs[name].dtype)
            longer[name] = torch.cat([inputs[name], filled], dim=1)
    return {**inputs, **longer}
