"""Phrases of an answer by a rule that needs no tagger, and letter-weighted maps of words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tam_video.tam.words import word_maps
from tam_video.types import Float64Array, FloatArray, IntArray, Token, Word

MAX_CONTENT = 4
_SINGULAR_DETERMINERS = """
a an this that each every another
"""
_OTHER_DETERMINERS = """
the these those some both all my your his her its our their
der die das den dem des ein eine einen einem einer eines dieser diese dieses
le la les l' un une des ce cet cette ces el los las una unos unas este esta ese esa
"""
_SINGULAR = frozenset(_SINGULAR_DETERMINERS.split())
_DETERMINERS = _SINGULAR | frozenset(_OTHER_DETERMINERS.split())
_VERB_ENDINGS = ("ing", "ed")
_NOUN_ENDINGS = ("ss", "us", "is")


def join_phrases(words: Sequence[Word]) -> Iterator[list[int]]:
    """Join neighbouring words into phrases, by position and form alone.

    A phrase is a run of at most four content words and the determiners right before it ("a small
    brown dog"). A function word or punctuation ends it. Inside a run, an English word in -ing or
    -ed begins a new phrase ("a man | walking | a dog"), as does one in -s (not -ss, -us, -is) after
    a singular determiner ("this dog | runs").

    Args:
        words: the words of the answer, in order, from `join_words`.

    Yields:
        The indices of the words of each phrase.
    """
    run: list[int] = []
    for index, word in enumerate(words):
        num_content = sum(_is_content(words[k]) for k in run)
        if num_content and (
            not _is_content(word) or num_content == MAX_CONTENT or _begins(words, run, index)
        ):
            yield run
            run = []
        run = [*run, index] if _is_content(word) or _is_determiner(word) else []
    if any(_is_content(words[k]) for k in run):
        yield run


def same_phrase(words: Sequence[Word], *, num_tokens: int) -> IntArray:
    """Find the pairs of tokens that belong to the same phrase.

    Args:
        words: the words of the answer; their `token_indices` count along M.
        num_tokens: M.

    Returns:
        bool [M, M], symmetric; false for tokens without a phrase.
    """
    phrases = np.full(num_tokens, -1, dtype=np.int64)
    for number, run in enumerate(join_phrases(words)):
        for index in run:
            phrases[list(words[index].token_indices)] = number
    return (phrases[:, None] == phrases) & (phrases >= 0)


def letter_weighted_maps(
    maps: FloatArray, words: Sequence[Word], tokens: Sequence[Token]
) -> FloatArray:
    """Compute the maps of words as means of their sub-tokens, weighted by the letters they spell.

    Args:
        maps: float32 [M, t, h, w], the maps of all text tokens.
        words: N words; their `token_indices` count along M.
        tokens: the M text tokens. Where no token of a word shares a letter with it, all weigh
            alike.

    Returns:
        float32 [N, t, h, w], in the range of `maps`.
    """
    joined = word_maps(maps, words)
    for number, word in enumerate(words):
        indices = list(word.token_indices)
        chosen = maps[indices].astype(np.float64)
        mean = np.tensordot(_letters(word, [tokens[k] for k in indices]), chosen, axes=1)
        joined[number] = np.clip(mean, chosen.min(axis=0), chosen.max(axis=0))
    return joined


def _letters(word: Word, tokens: Sequence[Token]) -> Float64Array:
    """float64 [n], sum 1: the share of the word's letters that each of its tokens spells."""
    shared = np.array(
        [
            max(0, min(token.char_end, word.char_end) - max(token.char_start, word.char_start))
            for token in tokens
        ],
        dtype=np.float64,
    )
    if not shared.any():
        shared += 1
    return shared / shared.sum()


def _is_determiner(word: Word) -> bool:
    return word.text.casefold() in _DETERMINERS


def _is_content(word: Word) -> bool:
    """Some determiners ("another") count as content elsewhere; in a phrase they only begin it."""
    return word.is_content and not _is_determiner(word)


def _begins(words: Sequence[Word], run: Sequence[int], index: int) -> bool:
    """Whether a content word begins a new phrase after a run that has content already."""
    form = words[index].text.casefold()
    if form.endswith(_VERB_ENDINGS):
        return True
    is_singular = words[run[0]].text.casefold() in _SINGULAR
    return is_singular and form.endswith("s") and not form.endswith(_NOUN_ENDINGS)
