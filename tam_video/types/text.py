"""Value classes for messages, tokens and words, and for the output of a model.

Axes: M text tokens (prompt text first, then the answer), S sequence positions, V visual cells
(t*h*w of each input), N words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tam_video.types.arrays import BoolArray, FloatArray, IntArray, check, describe
from tam_video.types.layout import VisualLayout

Role: TypeAlias = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: the speaker.
        text: the text of the turn.
        inputs: indices of the vision inputs before the text, in order. If no turn of a
            conversation has any, all belong to the first user turn.
    """

    role: Role
    text: str
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A candidate for the next token, with its probability in [0, 1]."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Token:
    """One text token, which is explained or is context for other tokens.

    Attributes:
        index: index among the M text tokens.
        id: vocabulary id.
        text: its text (may be empty while a character is incomplete).
        role: "prompt" or "answer".
        position: sequence position of its scores: its own for a prompt token, the one that
            predicted it (one before its own) for a generated token.
        char_start: offset of its first character in the prompt text or the answer.
        char_end: offset after its last character.
        probability: its probability in [0, 1]; None for prompt tokens.
        candidates: the most probable tokens at its position, best first; empty for prompt tokens.
        is_special: an end-of-turn or other control token, not part of the text.
    """

    index: int
    id: int
    text: str
    role: Literal["prompt", "answer"]
    position: int
    char_start: int
    char_end: int
    probability: float | None = None
    candidates: tuple[Candidate, ...] = ()
    is_special: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the answer, made of one or more tokens.

    Attributes:
        index: index among the N words of the answer.
        text: the word in the answer, without surrounding spaces.
        char_start: offset of its first character in the answer.
        char_end: offset after its last character.
        token_indices: the M-indices of its tokens, in order.
        is_content: False for function words and punctuation.
    """

    index: int
    text: str
    char_start: int
    char_end: int
    token_indices: tuple[int, ...]
    is_content: bool


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """The output of a model: the answer, and the scores from which the maps are computed.

    Attributes:
        conversation: the turns before the answer.
        prompt_text: the text of the prompt tokens, joined.
        answer: the answer text without special tokens.
        tokens: the M text tokens, prompt first.
        num_prompt_tokens: how many of them are prompt text.
        layouts: the layout of the cells of each vision input, in the order of the inputs.
        visual_positions: int64 [V], the sequence position of each cell: the inputs one after
            the other, row-major (t, h, w) in each; deduplicated cells repeat a position.
        text_positions: int64 [M], sequence position of each text token.
        scores: float32 [S, M], logit at position s of text token m's class id.
        layer_scores: float32 [S, M] for each additional layer; none by default.
        sinks: bool [V], cells with an outlying norm (`models.sinks`); None if not measured.
    """

    conversation: tuple[Message, ...]
    prompt_text: str
    answer: str
    tokens: tuple[Token, ...]
    num_prompt_tokens: int
    layouts: tuple[VisualLayout, ...]
    visual_positions: IntArray
    text_positions: IntArray
    scores: FloatArray
    layer_scores: tuple[FloatArray, ...] = ()
    sinks: BoolArray | None = None

    def __post_init__(self) -> None:
        num_tokens = len(self.tokens)
        check(self.scores.ndim == 2 and self.scores.shape[1] == num_tokens, "scores must be [S, M]")
        check(
            all(each.shape == self.scores.shape for each in self.layer_scores),
            "layer_scores must be [S, M] each",
        )
        check(self.text_positions.shape == (num_tokens,), "text_positions must be [M]")
        check(
            self.visual_positions.shape == (sum(layout.num_cells for layout in self.layouts),),
            "visual_positions must be [t*h*w] of all inputs",
        )
        check(
            self.sinks is None or self.sinks.shape == self.visual_positions.shape,
            "sinks must be [V]",
        )
        check(0 <= self.num_prompt_tokens <= num_tokens, "num_prompt_tokens must be in 0..M")

    __repr__ = describe
