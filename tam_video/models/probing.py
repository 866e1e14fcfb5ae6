"""What other explanation methods ask of a model: attention, gradients, answers on masked videos.

A `Probe` holds one generation with the frames it was made from, encodes the prompt once, and passes
the same answer through by teacher forcing whatever is asked. It works through what every family
has: its placed cells, its decoder's layers, its output embedding. numpy comes out.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.errors import ConfigError, ModelError, TokenAlignmentError
from tam_video.models.attention import AttentionRows, Rollout, Visit, watch_attention
from tam_video.models.base import DEFAULT_OPTIONS, GenerationOptions, LogitTransform
from tam_video.models.boundary import library_errors, quiet
from tam_video.models.capture import find_decoder, resolve_layer
from tam_video.models.conversation import assign_inputs, check_conversation
from tam_video.models.graph import frozen_weights, last_states, leaf_states
from tam_video.models.inference import TransformersModel, with_answer
from tam_video.models.masking import Blank, blank_frames, hide_cells
from tam_video.models.prompt import encode_prompt
from tam_video.models.randomising import randomised_layers
from tam_video.models.scores import (
    VOCABULARY_ROWS_PER_STEP,
    class_scores,
    token_odds,
    transformed,
)
from tam_video.stages import StepProgress
from tam_video.types import Float64Array, FloatArray, FrameBatch, Generation, IntArray, Message

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

Target: TypeAlias = Literal["logit", "log_probability"]

# A stack of videos is trusted if its last one scores as it does alone, up to the kernels' rounding.
STACK_TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
COARSE_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class ProbeCost:
    """How often a model was run.

    Attributes:
        forward: sequences passed forward; a batch of B masked videos counts B.
        backward: gradients taken.
    """

    forward: int = 0
    backward: int = 0

    def __sub__(self, other: ProbeCost) -> ProbeCost:
        return ProbeCost(self.forward - other.forward, self.backward - other.backward)


@dataclass(frozen=True, slots=True, eq=False)
class Attentions:
    """Where the positions that predict the answer look.

    Attributes:
        layers: numbers of the layers with softmax attention, ascending.
        rows: for each of them float32 [H, J, S] in [0, 1]; [1, J, S] where heads were averaged.
        visual_positions: int64 [V], the position of each cell among the S.
    """

    layers: tuple[int, ...]
    rows: tuple[FloatArray, ...]
    visual_positions: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class StateGradients:
    """Visual states of a layer, and how the answer hangs on them.

    Attributes:
        layer: number of the layer, 0..L-1.
        states: float32 [V, d], what the layer gives at each cell.
        gradients: for each of the J answer tokens float32 [V, d], one after the other; the graph
            is freed with the last.
    """

    layer: int
    states: FloatArray
    gradients: Iterator[FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class _Forced:
    """An encoded prompt with the answer behind it.

    Attributes:
        inputs: the model's arguments.
        positions: J sequence positions, those that predict the answer's tokens.
        visual_positions: int64 [V].
    """

    inputs: dict[str, Any]
    positions: list[int]
    visual_positions: IntArray


class Probe:
    """A generation that can be asked about further; not for several threads.

    Attributes:
        model: the model that made it.
        batches: the frames of each vision input.
        generation: what is explained.
    """

    def __init__(
        self,
        model: TransformersModel,
        inputs: FrameBatch | Sequence[FrameBatch],
        generation: Generation,
        *,
        answer_ids: Sequence[int] | None = None,
    ) -> None:
        """Encode the prompt of a generation once more.

        Args:
            model: the model that answered. To explain an answer of your own, have it passed
                through first: `model.generate(..., answer=...)`.
            inputs: the frames it answered about.
            generation: what it said.
            answer_ids: the answer's ids with control tokens, as generated; needed only where a
                control token stands between its tokens, which a generation does not keep.

        Raises:
            ConfigError: the answer is empty.
            TokenAlignmentError: the frames or the ids are not those of the generation.
            ModelError: the model fails.
        """
        self.model = model
        self.batches = (inputs,) if isinstance(inputs, FrameBatch) else tuple(inputs)
        self.generation = generation
        self._answer = generation.tokens[generation.num_prompt_tokens :]
        self._forward = self._backward = 0
        self._stacks: bool | None = None
        self._blanks: dict[tuple[int, Blank], NDArray[np.uint8]] = {}
        if not self._answer:
            raise ConfigError("the answer is empty", hint="there is no token to explain")
        with self._running():
            tensors, length, visual = self._encode(self.batches, generation.conversation)
            self._places = [token.position - (length - 1) for token in self._answer]
            self._ids = self._checked_ids(answer_ids)
            if not np.array_equal(visual, generation.visual_positions):
                raise TokenAlignmentError(
                    "the visual tokens of these frames are not where the generation has them",
                    hint="give the frames that the answer was made from",
                )
            self._forced = self._with_answer(tensors, length, visual)

    @property
    def cost(self) -> ProbeCost:
        """How often the model was run for this probe so far."""
        return ProbeCost(self._forward, self._backward)

    def attentions(
        self,
        *,
        average_heads: bool = False,
        conversation: Sequence[Message] | None = None,
    ) -> Attentions:
        """Attention from the position that predicted each answer token, layer by layer.

        One pass of the "eager" kernel: a layer's weights [H, S, S] exist while it runs, only the
        J rows are kept. Layers without softmax attention are left out.

        Args:
            average_heads: keep the mean over the heads.
            conversation: ask this instead, with the same frames and the same answer.

        Raises:
            ConfigError: the conversation can't be asked.
            ModelError: no layer has softmax attention, or the model fails.
        """
        with self._running():
            forced = self._asked(conversation)
            seen = AttentionRows(forced.positions, average_heads=average_heads)
            self._watch(forced, seen)
        if not seen.layers:
            raise _no_attention(self.model.name)
        rows = tuple(part.numpy() for part in seen.rows)
        return Attentions(tuple(seen.layers), rows, forced.visual_positions)

    def attention_rollout(self, *, conversation: Sequence[Message] | None = None) -> FloatArray:
        """Attention rolled out over the layers, from each answer token to the visual cells.

        Source: Abnar & Zuidema, ACL 2020, arXiv:2005.00928; see `attention.Rollout`. Layers without
        softmax attention count as identity.

        Args:
            conversation: ask this instead, with the same frames and the same answer.

        Returns:
            float32 [J, V] in [0, 1].

        Raises:
            ConfigError: the conversation can't be asked.
            ModelError: no layer has softmax attention, or the model fails.
        """
        with self._running():
            forced = self._asked(conversation)
            seen = Rollout(forced.positions, forced.visual_positions.tolist())
            self._watch(forced, seen)
            if seen.product is None:
                raise _no_attention(self.model.name)
            found: FloatArray = seen.product[forced.positions].cpu().numpy()
        return found

    def gradients(self, layer: int | float = 0.5, *, target: Target = "logit") -> StateGradients:
        """Gradient of each answer token with respect to the visual states of a layer.

        One pass forward, and one backward through the layers above for each token. No weight gets a
        gradient; hooks are gone when this returns.

        Args:
            layer: number or share of the depth, as in `GenerationOptions.layer`; not the last one.
            target: the token's logit, or its log-probability.

        Raises:
            ValueError: `target` is unknown.
            ConfigError: no such layer, or the last one, above which no position sees another.
            ModelError: the model fails.
        """
        import torch

        if target not in ("logit", "log_probability"):
            raise ValueError(f"target must be 'logit' or 'log_probability', not {target!r}")
        number = resolve_layer(layer, num_layers=self.model.num_layers)
        if number == self.model.num_layers - 1:
            raise ConfigError(
                "the answer's gradient at the visual states of the last layer is 0",
                hint="choose a lower layer, or a share of the depth such as 0.5",
            )
        decoder = find_decoder(self._network)
        with self._running(), torch.enable_grad(), frozen_weights(self._network):
            with leaf_states(decoder.layers[number]) as leaves, last_states(decoder) as last:
                self._network(**self._forced.inputs, use_cache=False, logits_to_keep=1)
            self._forward += 1
            rows = self._logits(last[0][0, self._forced.positions])
            if target == "log_probability":
                rows = rows.log_softmax(dim=-1)
            values = rows.gather(-1, self._targets(rows)[:, None])[:, 0]
        states = self._visual(leaves[0])
        return StateGradients(number, states, self._backwards(values, leaves[0]))

    def score_masked(
        self,
        keep: NDArray[np.bool_],
        *,
        number: int = 0,
        blank: Blank = "mean",
        batch_size: int = 8,
        progress: StepProgress | None = None,
    ) -> Float64Array:
        """Log-probability of the answer's tokens when cells of the video are hidden.

        The source pixels of the cells that are not kept are replaced before the processor runs.
        Masked videos are passed together where the family's inputs can be stacked, which is tried
        once and compared; else one by one.

        Args:
            keep: bool [B, t, h, w], True where a cell shows the video.
            number: which vision input is masked.
            blank: what hidden cells show, see `masking.blank_frames`.
            batch_size: masked videos that are passed together.
            progress: called after every batch.

        Returns:
            float64 [B, J], natural logarithms. B passes are added to `cost`.

        Raises:
            ValueError: `keep` is not bool [B, t, h, w], `batch_size` is below 1, or `blank` is
                unknown.
            ConfigError: there is no such input.
            ModelError: the model fails.
        """
        layout = self._layout(number)
        if keep.dtype != np.bool_ or keep.shape[1:] != layout.shape:
            raise ValueError(f"keep must be bool [B, t, h, w], not {keep.dtype}{list(keep.shape)}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 at least, not {batch_size}")
        if (number, blank) not in self._blanks:
            self._blanks[number, blank] = blank_frames(self.batches[number].frames, blank)
        scores = np.empty((len(keep), len(self._answer)))
        with self._running():
            for start in range(0, len(keep), batch_size):
                part = slice(start, start + batch_size)
                videos = [self._masked(mask, number=number, blank=blank) for mask in keep[part]]
                scores[part] = self._score(videos)
                self._forward += len(videos)
                if progress is not None:
                    progress(start + len(videos), len(keep))
        return scores

    def read_again(self, options: GenerationOptions = DEFAULT_OPTIONS) -> Generation:
        """The same tokens with the scores that the model gives them now.

        Args:
            options: `layer`, `mixed_layers` and `logits` say where scores are read; tokens count
                for their own id.

        Returns:
            The generation with new scores and probabilities, without candidates.

        Raises:
            ConfigError: no such layer.
            ModelError: the model fails.
        """
        head = self._network.get_output_embeddings()
        transform = self.model.adapter.logit_transform(self._network.config)
        generation = self.generation
        with self._running():
            with self.model.record_layers(options) as recorded:
                self._network(**self._forced.inputs, use_cache=False, logits_to_keep=1)
            self._forward += 1
            last, states = recorded.states()
            odds = token_odds(
                last.at(self._forced.positions),
                head,
                ids=[token.id for token in self._answer],
                num_candidates=0,
                transform=transform,
            )
            scores, *layer_scores = (
                class_scores(
                    each,
                    head,
                    class_ids=np.array([token.id for token in generation.tokens], dtype=np.int64),
                    transform=transform if options.logits == "model" else LogitTransform(),
                )[: len(generation.scores)]
                for each in states
            )
        answer = [
            replace(token, probability=chance.probability, candidates=())
            for token, chance in zip(self._answer, odds, strict=True)
        ]
        tokens = (*generation.tokens[: generation.num_prompt_tokens], *answer)
        return replace(generation, tokens=tokens, scores=scores, layer_scores=tuple(layer_scores))

    @contextmanager
    def randomised(
        self,
        num_layers_from_top: int | None,
        *,
        seed: int = 0,
        options: GenerationOptions = DEFAULT_OPTIONS,
    ) -> Iterator[Probe]:
        """Replace the weights of the top decoder layers by noise for the length of a block.

        Args:
            num_layers_from_top: how many layers; None for the whole model, vision tower and
                embeddings included.
            seed: of the noise.
            options: where the scores of the yielded probe's generation are read.

        Yields:
            A probe with the same frames and tokens, and the scores of the random model. It is good
            inside the block only: afterwards the weights are what they were, bit for bit.

        Raises:
            ConfigError: the model has not so many layers, or is quantised.
            ModelError: weights are offloaded, or the model fails.
        """
        with randomised_layers(self._network, num_layers_from_top, seed=seed):
            other = copy.copy(self)
            other._forward = other._backward = 0
            other.generation = other.read_again(options)
            other._answer = other.generation.tokens[other.generation.num_prompt_tokens :]
            yield other

    @property
    def _network(self) -> Any:
        return self.model.checkpoint.model

    @contextmanager
    def _running(self) -> Iterator[None]:
        import torch

        with library_errors("run", name=self.model.name), quiet(), torch.no_grad():
            yield

    def _encode(
        self, batches: Sequence[FrameBatch], turns: Sequence[Message]
    ) -> tuple[dict[str, Any], int, IntArray]:
        """The model's arguments for a prompt, its length, and int64 [V] visual positions."""
        checkpoint, adapter = self.model.checkpoint, self.model.adapter
        tensors, prompt = encode_prompt(batches, turns, checkpoint=checkpoint, family=adapter)
        placed = adapter.place(prompt, checkpoint)
        positions = np.concatenate([each.positions for each in placed])
        return tensors, len(prompt.input_ids), positions

    def _with_answer(self, tensors: Mapping[str, Any], length: int, visual: IntArray) -> _Forced:
        longer = with_answer(tensors, self._ids, fill=self.model.adapter.answer_fill)
        return _Forced(longer, [length - 1 + place for place in self._places], visual)

    def _checked_ids(self, answer_ids: Sequence[int] | None) -> list[int]:
        """The ids to pass through, up to the last explained token."""
        own = [token.id for token in self._answer]
        if answer_ids is None:
            if self._places != list(range(len(own))):
                raise TokenAlignmentError(
                    "a control token stands between the tokens of the answer",
                    hint="pass the ids that were generated as answer_ids",
                )
            return own
        ids = [int(id_) for id_ in answer_ids][: self._places[-1] + 1]
        if len(ids) <= self._places[-1] or [ids[place] for place in self._places] != own:
            raise TokenAlignmentError("answer_ids are not those of the generation")
        return ids

    def _asked(self, conversation: Sequence[Message] | None) -> _Forced:
        if conversation is None:
            return self._forced
        turns = assign_inputs(check_conversation(conversation), num_inputs=len(self.batches))
        return self._with_answer(*self._encode(self.batches, turns))

    def _watch(self, forced: _Forced, visit: Visit) -> None:
        with watch_attention(find_decoder(self._network), visit):
            self._network(**forced.inputs, use_cache=False, logits_to_keep=1)
        self._forward += 1

    def _layout(self, number: int) -> Any:
        layouts = self.generation.layouts
        if not 0 <= number < len(layouts):
            raise ConfigError(f"there is no input {number}", hint=f"there are {len(layouts)}")
        return layouts[number]

    def _visual(self, states: Tensor) -> FloatArray:
        """float32 [V, d] of [1, S, d]."""
        found: FloatArray = (
            states[0, self._forced.visual_positions.tolist()].detach().float().cpu().numpy()
        )
        return found

    def _backwards(self, values: Tensor, leaf: Tensor) -> Iterator[FloatArray]:
        """float32 [V, d] for each of the values [J]."""
        import torch

        for number in range(len(values)):
            with library_errors("run", name=self.model.name):
                is_last = number == len(values) - 1
                (found,) = torch.autograd.grad(values[number], leaf, retain_graph=not is_last)
            self._backward += 1
            yield self._visual(found)

    def _logits(self, hidden: Tensor) -> Tensor:
        """[n, vocabulary] in float32 or wider, from states [n, d]."""
        head = self._network.get_output_embeddings()
        if head.weight.is_meta:
            raise ModelError(
                "the output embedding is offloaded to disk",
                hint="use a device_map that keeps lm_head",
            )
        logits = head(hidden.to(head.weight.device))
        transform = self.model.adapter.logit_transform(self._network.config)
        return transformed(logits if logits.dtype.itemsize > 4 else logits.float(), transform)

    def _targets(self, logits: Tensor) -> Tensor:
        import torch

        return torch.tensor([token.id for token in self._answer], device=logits.device)

    def _log_probabilities(self, hidden: Tensor) -> Float64Array:
        """float64 [J] from the states [J, d] that predict the answer."""
        found = []
        for start in range(0, len(hidden), VOCABULARY_ROWS_PER_STEP):
            step = slice(start, start + VOCABULARY_ROWS_PER_STEP)
            chances = self._logits(hidden[step]).double().log_softmax(dim=-1)
            own = self._targets(chances)[step, None]
            found.append(chances.gather(-1, own)[:, 0].cpu().numpy())
        values: Float64Array = np.concatenate(found)
        return values

    def _masked(self, keep: NDArray[np.bool_], *, number: int, blank: Blank) -> _Forced:
        """The prompt with a masked video."""
        batch, layout = self.batches[number], self._layout(number)
        frames = hide_cells(batch.frames, layout, keep, blank=self._blanks[number, blank])
        shown = list(self.batches)
        shown[number] = replace(batch, frames=frames)
        return self._with_answer(*self._encode(shown, self.generation.conversation))

    def _score(self, videos: list[_Forced]) -> Float64Array:
        """float64 [B, J]: together where that is known to be right, else one by one."""
        stacked = None if len(videos) == 1 or self._stacks is False else _stacked(videos)
        if stacked is None:
            return np.stack([self._passed(video.inputs, [video])[0] for video in videos])
        if self._stacks:
            return self._passed(stacked, videos)
        return self._try_stack(stacked, videos)

    def _try_stack(self, stacked: dict[str, Any], videos: list[_Forced]) -> Float64Array:
        """The first stack: compared with its last video alone, given up where they differ."""
        import torch

        alone = self._passed(videos[-1].inputs, videos[-1:])[0]
        self._forward += 1
        tolerance = STACK_TOLERANCE.get(self.model.dtype, COARSE_TOLERANCE)
        try:
            together = self._passed(stacked, videos)
            self._stacks = bool(np.allclose(together[-1], alone, rtol=0, atol=tolerance))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as exc:
            logger.debug("%s: a stack of videos failed: %s", self.model.name, exc)
            self._stacks = False
        if self._stacks:
            return together
        logger.warning("%s can't take several videos at once: one by one", self.model.name)
        return self._score(videos)

    def _passed(self, inputs: Mapping[str, Any], videos: Sequence[_Forced]) -> Float64Array:
        """float64 [B, J] of one pass."""
        with last_states(find_decoder(self._network)) as last:
            self._network(**inputs, use_cache=False, logits_to_keep=1)
        if len(last[0]) != len(videos):
            raise ValueError(f"{len(last[0])} sequences for {len(videos)} videos")
        return np.stack(
            [
                self._log_probabilities(states[video.positions])
                for states, video in zip(last[0], videos, strict=True)
            ]
        )


def _no_attention(name: str) -> ModelError:
    return ModelError(
        f"no layer of {name} shows softmax attention",
        hint="use a method that needs none, such as tam or grad-cam",
    )


def _stacked(videos: Sequence[_Forced]) -> dict[str, Any] | None:
    """Arguments of several videos joined along their first axis; None where they can't be."""
    import torch

    first = videos[0]
    if any(video.positions != first.positions for video in videos):
        return None
    joined: dict[str, Any] = {}
    for name, value in first.inputs.items():
        parts: list[Any] = [video.inputs.get(name) for video in videos]
        if isinstance(value, torch.Tensor):
            if any(getattr(part, "shape", None) != value.shape for part in parts):
                return None
            joined[name] = torch.cat(parts)
        elif isinstance(value, list):
            joined[name] = [item for part in parts for item in part]
        elif all(part == value for part in parts):
            joined[name] = value
        else:
            return None
    return joined
