"""Who is shown: a word of the answer, several, or a token, with all that is drawn of them.

Pure: frames are counted and named here, not touched.
"""

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
_LEAST_RELEVANCE = 0.05  # a fainter tint can't be seen


@dataclass(frozen=True, slots=True)
class Choice:
    """A token that the model said or might have said.

    Attributes:
        text: the token.
        probability: what the model gave it, in [0, 1].
        is_said: whether it is the one in the answer.
    """

    text: str
    probability: float
    is_said: bool


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What one turn shows.

    Attributes:
        text: the word, the words or the token, for captions.
        maps: float32 [t, h, w] in [0, 1]; None for no heat.
        spans: offsets in the answer that are lit.
        word_indices: the words, empty for a token.
        token_index: the token, None for words.
        tints: offsets in the answer of what was said before, with its relevance to what is shown,
            in [0, 1].
        choices: the first token and what might have stood in its place, best first.
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
        """float64 [t]: the mean of the map in each slot; None for no heat."""
        return None if self.maps is None else self.maps.mean(axis=(1, 2), dtype=np.float64)


def shown_words(explanation: Explanation) -> list[Word]:
    """The content words of the answer; every word where there are none."""
    content = [word for word in explanation.words if word.is_content]
    return content or list(explanation.words)


def words_subject(explanation: Explanation, words: Sequence[Word]) -> Subject:
    """Words shown together: cell by cell, the strongest of their maps.

    Args:
        explanation: where the maps are.
        words: the words, one at least.

    Returns:
        The subject; its text is the words joined by spaces.
    """
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
    """One token, chosen by its place among the M text tokens.

    Args:
        explanation: where the maps are.
        index: place among prompt and answer tokens.

    Returns:
        The subject; a prompt token lights nothing, as it is not in the answer.

    Raises:
        ConfigError: there is no such token.
    """
    if not 0 <= index < len(explanation.tokens):
        raise ConfigError(
            f"there is no token {index}",
            hint=f"tokens 0 to {len(explanation.tokens) - 1}; those of the answer: "
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
    """The tokens of the answer that stand for a piece of its text."""
    return [
        token
        for token in explanation.tokens
        if token.role == "answer" and not token.is_special and token.char_end > token.char_start
    ]


def _tints(
    explanation: Explanation, tokens: Sequence[int], *, shown: Sequence[int]
) -> tuple[tuple[Span, float], ...]:
    """The other words with a relevance to the tokens: the largest between any two of theirs."""
    found = []
    for word in explanation.words:
        if not tokens or not word.token_indices or word.index in shown:
            continue
        level = float(explanation.text_scores[np.ix_(tokens, word.token_indices)].max())
        if level >= _LEAST_RELEVANCE:
            found.append(((word.char_start, word.char_end), min(1.0, level)))
    return tuple(found)


def _choices(token: Token) -> tuple[Choice, ...]:
    if token.probability is None:
        return ()
    listed = [
        Choice(each.text, each.probability, each.id == token.id) for each in token.candidates
    ][:_SHOWN_CANDIDATES]
    if not any(choice.is_said for choice in listed):
        listed = [Choice(token.text, token.probability, True), *listed][:_SHOWN_CANDIDATES]
    return tuple(listed)


def find_word(explanation: Explanation, wanted: int | str) -> Word:
    """A word by its place, or by its text, the first one that fits (upper and lower case are one).

    Args:
        explanation: the words to look in.
        wanted: index, text, or an index written as text.

    Returns:
        The word.

    Raises:
        ConfigError: no word fits; the hint lists them.
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
        f"the answer has no word {wanted!r}", hint=f"words: {listing or 'none, it is empty'}"
    )


def _listing(named: Iterable[tuple[int, str]]) -> str:
    items = [f"{index} {text!r}" for index, text in named]
    more = f", and {len(items) - _LISTED_WORDS} more" if len(items) > _LISTED_WORDS else ""
    return ", ".join(items[:_LISTED_WORDS]) + more


def share_frames(pts_seconds: Float64Array, *, end_seconds: float, parts: int) -> list[int]:
    """Cut a clip into consecutive parts of equal time, each of one frame at least.

    Args:
        pts_seconds: float64 [N], increasing.
        end_seconds: end of the last frame.
        parts: how many parts, 1 to N.

    Returns:
        `parts + 1` frame numbers from 0 to N: part k is frames `bounds[k]` up to `bounds[k + 1]`.

    Raises:
        ValueError: more parts than frames, or none.
    """
    total = len(pts_seconds)
    if not 1 <= parts <= total:
        raise ValueError(f"{total} frames can't be cut into {parts} parts")
    times = np.linspace(pts_seconds[0], end_seconds, parts + 1)[1:-1]
    bounds = [0, *np.searchsorted(pts_seconds, times - 1e-9).tolist(), total]
    for place in range(1, parts):
        bounds[place] = max(bounds[place], bounds[place - 1] + 1)
    for place in range(parts - 1, 0, -1):
        bounds[place] = min(bounds[place], bounds[place + 1] - 1)
    return bounds


def group_words(words: Sequence[Word], groups: int) -> list[list[Word]]:
    """Consecutive words in at most `groups` groups of nearly equal size; no word is lost."""
    count = min(groups, len(words))
    edges = [place * len(words) // count for place in range(count + 1)] if count else [0]
    return [list(words[start:end]) for start, end in pairwise(edges)]
