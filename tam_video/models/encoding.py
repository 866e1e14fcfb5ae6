"""Encode a conversation and its frames, and locate cells and text tokens in the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.conversation import assign_inputs, check_conversation
from tam_video.models.prompt import encode_prompt
from tam_video.models.tokens import prompt_tokens
from tam_video.types import FrameBatch, IntArray, Message, Token


@dataclass(frozen=True, slots=True, eq=False)
class EncodedConversation:
    """Turns and frames as model inputs, with the positions of cells and text tokens.

    Attributes:
        turns: the checked turns with their inputs.
        tensors: the model's arguments.
        prompt: the encoded prompt.
        placed: the layout of each input and the positions of its cells.
        text: text of the prompt.
        tokens: text tokens of the prompt.
    """

    turns: tuple[Message, ...]
    tensors: Mapping[str, Any]
    prompt: EncodedPrompt
    placed: tuple[PlacedLayout, ...]
    text: str
    tokens: tuple[Token, ...]

    @property
    def cells(self) -> IntArray:
        """Positions of the cells of all inputs: int64 [V]."""
        return np.concatenate([each.positions for each in self.placed])

    def rows(self, answer_ids: Sequence[int]) -> tuple[IntArray, IntArray]:
        """Return positions of cells and text tokens, int64 [V + M], and the text tokens' ids."""
        first = len(self.prompt.input_ids) - 1
        text = [
            *(token.position for token in self.tokens),
            *range(first, first + len(answer_ids)),
        ]
        ids = [*(token.id for token in self.tokens), *answer_ids]
        return np.concatenate([self.cells, np.array(text, np.int64)]), np.array(ids, np.int64)


def encode_conversation(
    inputs: FrameBatch | Sequence[FrameBatch],
    conversation: Sequence[Message],
    *,
    checkpoint: Checkpoint,
    family: Family,
) -> EncodedConversation:
    """Check and encode the turns of a conversation with the frames of its inputs.

    Raises:
        ConfigError: the conversation is not valid.
        TokenAlignmentError: tokens and cells don't add up.
    """
    batches = (inputs,) if isinstance(inputs, FrameBatch) else tuple(inputs)
    turns = assign_inputs(check_conversation(conversation), num_inputs=len(batches))
    tensors, prompt = encode_prompt(batches, turns, checkpoint=checkpoint, family=family)
    placed = family.place(prompt, checkpoint)
    text, tokens = prompt_tokens(prompt, turns, placed, processor=checkpoint.processor)
    return EncodedConversation(turns, tensors, prompt, placed, text, tokens)
