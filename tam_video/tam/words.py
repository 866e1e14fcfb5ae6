"""Sub-tokens joined into words, and a map for each word.

Owns: which tokens make a word. Where words begin and end is told by `script`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tam_video.tam.script import ScriptRun, script_runs
from tam_video.types import FloatArray, Token, Word

Aggregate: TypeAlias = Literal["mean", "max", "first"]

_UNKNOWN = "\ufffd"


def join_words(tokens: Sequence[Token]) -> tuple[Word, ...]:
    """Join the sub-tokens of an answer into words, in any language.

    A token belongs to the word that it shares most characters with, the first of them when two
    share as many. A word that no token chose (one token may hold "end.") is joined to the word that
    its token chose, so that every visible character of the answer stands in one word. Tokens that
    share one character, as byte-level tokens do, all belong to its word. Prompt tokens, special
    tokens and white space belong to none.

    Args:
        tokens: the text tokens in order; prompt tokens among them are passed over.

    Returns:
        The words in order. `token_indices` are the tokens' own `index`.
    """
    answer = [token for token in tokens if token.role == "answer" and not token.is_special]
    text = _answer_text(answer)
    borders = {token.char_start for token in answer} | {token.char_end for token in answer}
    found = list(script_runs(text, borders=borders))
    shares = _shares(answer, found, len(text))
    chosen = [max(share, key=lambda k: (share[k], -k)) if share else None for share in shares]
    groups = _group(shares, chosen, len(found))
    members: dict[int, list[int]] = {}
    for token, segment in zip(answer, chosen, strict=True):
        if segment is not None:
            members.setdefault(groups[segment], []).append(token.index)
    return tuple(_words(text, found, groups=groups, members=members))


def content_tokens(words: Sequence[Word], *, num_tokens: int) -> NDArray[np.bool_]:
    """Which tokens belong to a content word.

    Args:
        words: the words of an answer; their `token_indices` count along M.
        num_tokens: M.

    Returns:
        bool [M]; prompt tokens belong to no word of an answer.

    Raises:
        ValueError: a word has a token outside M.
    """
    indices = [index for word in words if word.is_content for index in word.token_indices]
    if indices and not (min(indices) >= 0 and max(indices) < num_tokens):
        raise ValueError(f"words need tokens in 0..{num_tokens - 1}")
    found = np.zeros(num_tokens, dtype=np.bool_)
    found[indices] = True
    return found


def word_maps(
    maps: FloatArray, words: Sequence[Word], *, aggregate: Aggregate = "mean"
) -> FloatArray:
    """One map per word out of the maps of its sub-tokens.

    Args:
        maps: float32 [M, t, h, w], the maps of all text tokens.
        words: N words; their `token_indices` count along M.
        aggregate: "mean" or "max" over the sub-tokens in each cell, or the "first" sub-token alone.

    Returns:
        float32 [N, t, h, w], in the range of `maps`.

    Raises:
        ValueError: `maps` is not [M, t, h, w], a word has no token or one outside M, or `aggregate`
            is unknown.
    """
    if maps.ndim != 4:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    if aggregate not in ("mean", "max", "first"):
        raise ValueError(f"aggregate must be 'mean', 'max' or 'first', not {aggregate!r}")
    joined = np.empty((len(words), *maps.shape[1:]), dtype=np.float32)
    for place, word in enumerate(words):
        indices = list(word.token_indices)
        if not indices or min(indices) < 0 or max(indices) >= len(maps):
            raise ValueError(f"word {word.text!r} needs tokens in 0..{len(maps) - 1}")
        joined[place] = _aggregate(maps[indices], aggregate)
    return joined


def _aggregate(maps: FloatArray, aggregate: Aggregate) -> FloatArray:
    if aggregate == "max":
        return np.asarray(maps.max(axis=0))
    return np.asarray(maps[0] if aggregate == "first" else maps.mean(axis=0))


def _answer_text(tokens: Sequence[Token]) -> str:
    """The answer as its tokens tell it; a character whose text no token has is U+FFFD."""
    characters = [" "] * max((token.char_end for token in tokens), default=0)
    for token in tokens:
        told = token.text.ljust(token.char_end - token.char_start, _UNKNOWN)
        for offset in range(token.char_start, token.char_end):
            character = told[offset - token.char_start]
            if character != _UNKNOWN or characters[offset] == " ":
                characters[offset] = character
    return "".join(characters)


def _shares(tokens: Sequence[Token], found: Sequence[ScriptRun], length: int) -> list[Counter[int]]:
    """For each token: how many characters it shares with which segment."""
    owner: list[int | None] = [None] * length
    for number, segment in enumerate(found):
        owner[segment.start : segment.end] = [number] * (segment.end - segment.start)
    return [
        Counter(k for k in owner[token.char_start : token.char_end] if k is not None)
        for token in tokens
    ]


def _group(
    shares: Sequence[Counter[int]], chosen: Sequence[int | None], num_segments: int
) -> list[int]:
    """For each segment the first one of its word: what no token chose joins its token's choice."""
    groups = list(range(num_segments))
    taken = {segment for segment in chosen if segment is not None}
    for share, target in zip(shares, chosen, strict=True):
        for segment in share:
            if target is None or segment in taken:
                continue
            taken.add(segment)
            first, last = sorted((segment, target))
            joined = set(groups[first : last + 1])
            groups = [min(joined) if group in joined else group for group in groups]
    return groups


def _words(
    text: str,
    found: Sequence[ScriptRun],
    *,
    groups: Sequence[int],
    members: dict[int, list[int]],
) -> Iterator[Word]:
    for index, (group, numbers) in enumerate(groupby(range(len(found)), key=groups.__getitem__)):
        parts = [found[number] for number in numbers]
        start, end = parts[0].start, parts[-1].end
        yield Word(
            index=index,
            text=text[start:end],
            char_start=start,
            char_end=end,
            token_indices=tuple(members[group]),
            is_content=any(part.is_content for part in parts),
        )
