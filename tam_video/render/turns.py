"""Subjects: a word, several words or a token, with the values that are drawn for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tam_video.errors import ConfigError
from tam_video.render.text_layout import Span
from tam_video.types import Explanation, Float64Array, FloatArray, Token, Word

_LISTED_WORDS = 40
_SHOWN_CANDIDATES = 3
_MIN_RELEVANCE = 0.05  # a fainter tint is not visible


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate token at one position in the answer, with its probability in [0, 1]."""

    text: str
    probability: float
    in_answer: bool


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The words or the token to show, with their maps and colours in the caption.

    Attributes:
        text: the word, the words or the token, for captions.
        maps: float32 [t, h, w] in [0, 1]; None for no heat.
        spans: (start, end) offsets in the answer that are lit.
        word_indices: the words, empty for a token.
        token_index: the token, None for words.
        tints: (start, end) offsets of other words of the answer, each with its relevance to what is
            shown, in [0, 1].
        choices: candidates for the first token, best first.
    """

    text: str
    maps: FloatArray | None
    spans: tuple[Span, ...] = ()
    word_indices: tuple[int, ...] = ()
    token_index: int | None = None
    tints: tuple[tuple[Span, float], ...] = ()
    choices: tuple[Choice, ...] = ()

    @property
    def energy(self) -> Float64Array | None:
        """The mean relevance in each slot, float64 [t], or None if there is no map."""
        return None if self.maps is None else self.maps.mean(axis=(1, 2), dtype=np.float64)


NO_SUBJECT = Subject(text="", maps=None)


def shown_words(explanation: Explanation) -> list[Word]:
    """Return the content words of the answer, or all words if it has no content words."""
    content = [word for word in explanation.words if word.is_content]
    return content or list(explanation.words)


def question_of(explanation: Explanation) -> str:
    """Return the last question in the conversation, or "" if there is no question."""
    questions = [turn.text for turn in explanation.conversation if turn.role == "user"]
    return questions[-1] if questions else ""


def words_subject(explanation: Explanation, words: Sequence[Word]) -> Subject:
    """Combine words into one subject, with the element-wise maximum of their maps."""
    indices = tuple(word.index for word in words)
    tokens = [index for word in words for index in word.token_indices]
    return Subject(
        text=" ".join(word.text for word in words),
        maps=explanation.word_maps[list(indices)].max(axis=0),
        spans=tuple((word.char_start, word.char_end) for word in words),
        word_indices=indices,
        tints=_tints(explanation, tokens, shown=indices),
        choices=_choices(explanation.tokens[tokens[0]]) if tokens else (),
    )


def token_subject(explanation: Explanation, index: int) -> Subject:
    """Return a subject for one token. A prompt token has no span in the answer.

    `index` is among the M prompt and answer tokens.

    Raises:
        ConfigError: there is no such token.
    """
    if not 0 <= index < len(explanation.tokens):
        raise ConfigError(
            f"token index {index} is out of range",
            hint=f"choose an index from 0 to {len(explanation.tokens) - 1}; answer tokens: "
            + _listing((t.index, t.text) for t in explanation.tokens if t.role == "answer"),
        )
    token = explanation.tokens[index]
    lit = token.role == "answer" and token.char_end > token.char_start
    spans = ((token.char_start, token.char_end),) if lit else ()
    return Subject(
        token.text,
        explanation.maps[index],
        spans,
        token_index=index,
        tints=_tints(explanation, [index], shown=()),
        choices=_choices(token),
    )


def answer_tokens(explanation: Explanation) -> list[Token]:
    """Return the answer tokens that have text."""
    return [
        token
        for token in explanation.tokens
        if token.role == "answer" and not token.is_special and token.char_end > token.char_start
    ]


def _tints(
    explanation: Explanation, tokens: Sequence[int], *, shown: Sequence[int]
) -> tuple[tuple[Span, float], ...]:
    """Return the spans and relevance (0 to 1) of other words that are relevant to `tokens`."""
    tints = []
    for word in explanation.words:
        if not tokens or not word.token_indices or word.index in shown:
            continue
        level = float(explanation.text_scores[np.ix_(tokens, word.token_indices)].max())
        if level >= _MIN_RELEVANCE:
            tints.append(((word.char_start, word.char_end), min(1.0, level)))
    return tuple(tints)


def _choices(token: Token) -> tuple[Choice, ...]:
    if token.probability is None:
        return ()
    listed = [
        Choice(each.text, each.probability, each.id == token.id) for each in token.candidates
    ][:_SHOWN_CANDIDATES]
    if not any(choice.in_answer for choice in listed):
        listed = [Choice(token.text, token.probability, True), *listed][:_SHOWN_CANDIDATES]
    return tuple(listed)


def find_word(explanation: Explanation, wanted: int | str) -> Word:
    """Find a word by its text (ignoring case) or its index, and return the first match.

    Raises:
        ConfigError: there is no such word; the hint lists the words.
    """
    words = explanation.words
    if isinstance(wanted, str):
        for word in words:
            if word.text.casefold() == wanted.strip().casefold():
                return word
    if str(wanted).strip().isdecimal() and int(wanted) < len(words):
        return words[int(wanted)]
    listing = _listing((word.index, word.text) for word in words)
    raise ConfigError(
        f"the answer has no word {wanted!r}",
        hint=f"available words: {listing or 'none, the answer is empty'}",
    )


def _listing(named: Iterable[tuple[int, str]]) -> str:
    items = [f"{index} {text!r}" for index, text in named]
    more = f", and {len(items) - _LISTED_WORDS} more" if len(items) > _LISTED_WORDS else ""
    return ", ".join(items[:_LISTED_WORDS]) + more


def share_frames(pts_seconds: Float64Array, *, end_seconds: float, parts: int) -> list[int]:
    """Split a clip into consecutive parts of equal duration, each with at least one frame.

    Args:
        pts_seconds: float64 [N], increasing.
        end_seconds: end of the last frame.
        parts: number of parts, 1 to N.

    Returns:
        `parts + 1` frame indices from 0 to N: part k is frames `bounds[k]` up to `bounds[k + 1]`.

    Raises:
        ValueError: more parts than frames, or none.
    """
    total = len(pts_seconds)
    if not 1 <= parts <= total:
        raise ValueError(f"can't split {total} frames into {parts} parts")
    times = np.linspace(pts_seconds[0], end_seconds, parts + 1)[1:-1]
    bounds = [0, *np.searchsorted(pts_seconds, times - 1e-9).tolist(), total]
    for index in range(1, parts):
        bounds[index] = max(bounds[index], bounds[index - 1] + 1)
    for index in range(parts - 1, 0, -1):
        bounds[index] = min(bounds[index], bounds[index + 1] - 1)
    return bounds


def group_words(words: Sequence[Word], groups: int) -> list[list[Word]]:
    """Split words into at most `groups` consecutive groups of nearly equal size."""
    count = min(groups, len(words))
    edges = [index * len(words) // count for index in range(count + 1)] if count else [0]
    return [list(words[start:end]) for start, end in pairwise(edges)]
