"""Join the sub-tokens of an answer into words, and compute the words' maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from tam_video.tam.script import ScriptRun, script_runs
from tam_video.types import BoolArray, FloatArray, Token, Word

_UNKNOWN = "\ufffd"


def join_words(tokens: Sequence[Token]) -> tuple[Word, ...]:
    """Join the sub-tokens of an answer into words, in any language.

    A token belongs to the word with which it shares most characters, the first one of several. A
    word that is the choice of no token ("." where one token is "end.") is joined to the word of its
    token, so that every visible character of the answer is part of a word. Tokens that share one
    character, as byte-level tokens do, all belong to its word. Prompt tokens, special tokens and
    white space belong to none. `token_indices` are the `index` of the tokens.
    """
    answer = [token for token in tokens if token.role == "answer" and not token.is_special]
    text = _answer_text(answer)
    borders = {token.char_start for token in answer} | {token.char_end for token in answer}
    runs = list(script_runs(text, borders=borders))
    shares = _shares(answer, runs, len(text))
    chosen = [max(share, key=lambda k: (share[k], -k)) if share else None for share in shares]
    groups = _group(shares, chosen, len(runs))
    members: dict[int, list[int]] = {}
    for token, number in zip(answer, chosen, strict=True):
        if number is not None:
            members.setdefault(groups[number], []).append(token.index)
    return tuple(_words(text, runs, groups=groups, members=members))


def content_tokens(words: Sequence[Word], *, num_tokens: int) -> BoolArray:
    """Compute which tokens belong to a content word: bool [M]. Prompt tokens never do.

    Raises:
        ValueError: a word has a token outside M.
    """
    indices = [index for word in words if word.is_content for index in word.token_indices]
    if indices and not (min(indices) >= 0 and max(indices) < num_tokens):
        raise ValueError(f"token indices of words must be in 0..{num_tokens - 1}")
    is_content = np.zeros(num_tokens, dtype=np.bool_)
    is_content[indices] = True
    return is_content


def word_maps(maps: FloatArray, words: Sequence[Word]) -> FloatArray:
    """Compute each word's map as the mean over the maps of the word's sub-tokens.

    Args:
        maps: float32 [M, t, h, w], the maps of all text tokens.
        words: N words; their `token_indices` are indices into M.

    Returns:
        float32 [N, t, h, w], in the range of `maps`.
    """
    if maps.ndim != 4:
        raise ValueError(f"maps must be [M, t, h, w], not {list(maps.shape)}")
    joined = np.empty((len(words), *maps.shape[1:]), dtype=np.float32)
    for number, word in enumerate(words):
        indices = list(word.token_indices)
        if not indices or min(indices) < 0 or max(indices) >= len(maps):
            raise ValueError(f"token indices of word {word.text!r} must be in 0..{len(maps) - 1}")
        joined[number] = maps[indices].mean(axis=0)
    return joined


def _answer_text(tokens: Sequence[Token]) -> str:
    """Join the text of the answer's tokens. Characters that a token lacks become U+FFFD."""
    characters = [" "] * max((token.char_end for token in tokens), default=0)
    for token in tokens:
        text = token.text.ljust(token.char_end - token.char_start, _UNKNOWN)
        for offset in range(token.char_start, token.char_end):
            character = text[offset - token.char_start]
            if character != _UNKNOWN or characters[offset] == " ":
                characters[offset] = character
    return "".join(characters)


def _shares(tokens: Sequence[Token], runs: Sequence[ScriptRun], length: int) -> list[Counter[int]]:
    """Count how many characters each token shares with each run of characters."""
    owner: list[int | None] = [None] * length
    for number, run in enumerate(runs):
        owner[run.start : run.end] = [number] * (run.end - run.start)
    return [
        Counter(k for k in owner[token.char_start : token.char_end] if k is not None)
        for token in tokens
    ]


def _group(
    shares: Sequence[Counter[int]], chosen: Sequence[int | None], num_runs: int
) -> list[int]:
    """Return, for each run of characters, the index of the first run in its word."""
    groups = list(range(num_runs))
    taken = {number for number in chosen if number is not None}
    for share, target in zip(shares, chosen, strict=True):
        for number in share:
            if target is None or number in taken:
                continue
            taken.add(number)
            first, last = sorted((number, target))
            joined = set(groups[first : last + 1])
            groups = [min(joined) if group in joined else group for group in groups]
    return groups


def _words(
    text: str,
    runs: Sequence[ScriptRun],
    *,
    groups: Sequence[int],
    members: dict[int, list[int]],
) -> Iterator[Word]:
    for index, (group, numbers) in enumerate(groupby(range(len(runs)), key=groups.__getitem__)):
        parts = [runs[number] for number in numbers]
        start, end = parts[0].start, parts[-1].end
        yield Word(
            index=index,
            text=text[start:end],
            char_start=start,
            char_end=end,
            token_indices=tuple(members[group]),
            is_content=any(part.is_content for part in parts),
        )
