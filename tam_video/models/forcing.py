"""Run a model on a prompt with a given answer (teacher forcing); the prompt is encoded once.

Uses only what every family has: placed cells, the decoder's layers and the output embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.boundary import library_errors, quiet
from tam_video.models.conversation import assign_inputs, check_conversation
from tam_video.models.inference import TransformersModel, with_answer
from tam_video.models.prompt import encode_prompt
from tam_video.models.scores import VOCABULARY_ROWS_PER_STEP, head_weight, transformed
from tam_video.types import (
    Float64Array,
    FloatArray,
    FrameBatch,
    Generation,
    IntArray,
    Message,
    VisualLayout,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class ProbeCost:
    """The number of forward and backward passes of a model.

    Attributes:
        forward: sequences passed forward; a batch of B masked videos counts B.
        backward: gradients computed.
    """

    forward: int = 0
    backward: int = 0

    def __sub__(self, other: ProbeCost) -> ProbeCost:
        return ProbeCost(self.forward - other.forward, self.backward - other.backward)


@dataclass(frozen=True, slots=True, eq=False)
class ForcedInputs:
    """The model inputs for a prompt followed by the answer.

    Attributes:
        inputs: the model's arguments.
        positions: J sequence positions, those that predict the answer's tokens.
        visual_positions: int64 [V].
    """

    inputs: dict[str, Any]
    positions: list[int]
    visual_positions: IntArray


class ForcedAnswer:
    """A finished answer and its model, to run the model on the answer again. Not thread-safe.

    Attributes:
        model: the model that made it.
        batches: the frames of each vision input.
        generation: the prompt and the answer.
    """

    def __init__(
        self,
        model: TransformersModel,
        inputs: FrameBatch | Sequence[FrameBatch],
        generation: Generation,
        *,
        answer_ids: Sequence[int] | None = None,
    ) -> None:
        """Encode the prompt of a finished generation again.

        Args:
            model: the model that made the generation. To explain another answer, pass it through
                first: `model.generate(..., answer=...)`.
            inputs: the frames of the generation.
            generation: the prompt and the answer.
            answer_ids: the generated ids including control tokens; needed only if a control token
                is between its tokens, which a generation does not keep.

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
        if not self._answer:
            raise ConfigError("the answer is empty", hint="pass an answer with at least one token")
        with self._running():
            tensors, length, visual = self._encode(self.batches, generation.conversation)
            self._offsets = [token.position - (length - 1) for token in self._answer]
            self._ids = self._checked_ids(answer_ids)
            if not np.array_equal(visual, generation.visual_positions):
                raise TokenAlignmentError(
                    "the visual tokens are not at the positions that they have in the generation",
                    hint="pass the frames from which the answer was generated",
                )
            self._forced = self._with_answer(tensors, length, visual)

    @property
    def cost(self) -> ProbeCost:
        """The number of forward and backward passes so far."""
        return ProbeCost(self._forward, self._backward)

    @property
    def _network(self) -> Any:
        return self.model.checkpoint.model

    @contextmanager
    def _running(self) -> Iterator[None]:
        import torch

        with library_errors("run", name=self.model.name), quiet(), torch.no_grad():
            yield

    def _pass(self, inputs: Mapping[str, Any]) -> None:
        self._network(**inputs, use_cache=False, logits_to_keep=1)

    def _encode(
        self, batches: Sequence[FrameBatch], turns: Sequence[Message]
    ) -> tuple[dict[str, Any], int, IntArray]:
        """Return a prompt's model arguments, number of tokens, and visual positions int64 [V]."""
        checkpoint, adapter = self.model.checkpoint, self.model.adapter
        tensors, prompt = encode_prompt(batches, turns, checkpoint=checkpoint, family=adapter)
        placed = adapter.place(prompt, checkpoint)
        positions = np.concatenate([each.positions for each in placed])
        return tensors, len(prompt.input_ids), positions

    def _with_answer(
        self, tensors: Mapping[str, Any], length: int, visual: IntArray
    ) -> ForcedInputs:
        longer = with_answer(tensors, self._ids, fill=self.model.adapter.answer_fill)
        return ForcedInputs(longer, [length - 1 + offset for offset in self._offsets], visual)

    def _checked_ids(self, answer_ids: Sequence[int] | None) -> list[int]:
        """Check the answer's token ids, and return the ids up to the last explained token."""
        own = [token.id for token in self._answer]
        if answer_ids is None:
            if self._offsets != list(range(len(own))):
                raise TokenAlignmentError(
                    "a control token is in the middle of the answer",
                    hint="pass the generated ids as 'answer_ids'",
                )
            return own
        ids = [int(id_) for id_ in answer_ids][: self._offsets[-1] + 1]
        if len(ids) <= self._offsets[-1] or [ids[offset] for offset in self._offsets] != own:
            raise TokenAlignmentError("'answer_ids' differ from the ids of the generated answer")
        return ids

    def _inputs_for(self, conversation: Sequence[Message] | None) -> ForcedInputs:
        """Return the model inputs for `conversation` (None: the original prompt) and the answer."""
        if conversation is None:
            return self._forced
        turns = assign_inputs(check_conversation(conversation), num_inputs=len(self.batches))
        return self._with_answer(*self._encode(self.batches, turns))

    def _layout(self, number: int) -> VisualLayout:
        layouts = self.generation.layouts
        if not 0 <= number < len(layouts):
            raise ConfigError(
                f"there is no input {number}",
                hint=f"there are {len(layouts)} inputs, and their numbers start at 0",
            )
        return layouts[number]

    def _visual(self, states: Tensor) -> FloatArray:
        """Return the states of the V visual tokens, float32 [V, d], from states [1, S, d]."""
        cells = states[0, self._forced.visual_positions.tolist()]
        values: FloatArray = cells.detach().float().cpu().numpy()
        return values

    def _logits(self, hidden: Tensor) -> Tensor:
        """Convert states [n, d] to logits [n, vocabulary] of at least 32 bits."""
        head = self._network.get_output_embeddings()
        logits = head(hidden.to(head_weight(head).device))
        transform = self.model.adapter.logit_transform(self._network.config)
        return transformed(logits if logits.dtype.itemsize > 4 else logits.float(), transform)

    def _targets(self, logits: Tensor) -> Tensor:
        import torch

        return torch.tensor([token.id for token in self._answer], device=logits.device)

    def _log_probabilities(self, hidden: Tensor) -> Float64Array:
        """Compute the log-probabilities of the J answer tokens, float64 [J], from states [J, d]."""
        parts = []
        for start in range(0, len(hidden), VOCABULARY_ROWS_PER_STEP):
            step = slice(start, start + VOCABULARY_ROWS_PER_STEP)
            log_probabilities = self._logits(hidden[step]).double().log_softmax(dim=-1)
            own = self._targets(log_probabilities)[step, None]
            parts.append(log_probabilities.gather(-1, own)[:, 0].cpu().numpy())
        values: Float64Array = np.concatenate(parts)
        return values
