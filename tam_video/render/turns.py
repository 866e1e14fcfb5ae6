"""Whose heat is shown when: the words of the answer share the clip, or one has it to itself.

Pure: frames are counted and named here, not touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tam_video.errors import ConfigError
from tam_video.render.text_layout import Span
from tam_video.types import Explanation, Float64Array, FloatArray, Word

_LISTED_WORDS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What one turn shows.

    Attributes:
        text: the word, the words or the token, for captions.
        maps: float32 [t, h, w] in [0, 1]; None for no heat.
        spans: offsets in the answer that are lit.
        word_indices: the words, empty for a token.
        token_index: the token, None for words.
    """

    text: str
    maps: FloatArray | None
    spans: tuple[Span, ...] = ()
    word_indices: tuple[int, ...] = ()
    token_index: int | None = None


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
    return Subject(
        text=" ".join(word.text for word in words),
        maps=explanation.word_maps[list(indices)].max(axis=0),
        spans=tuple((word.char_start, word.char_end) for word in words),
        word_indices=indices,
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
    return Subject(token.text, explanation.maps[index], spans, token_index=index)


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
