"""Words joined into phrases, and maps of words and phrases by more ways of counting.

Owns: a rule for phrases that needs no tagger, and the length-weighted map of a word. Words
themselves are made by `words`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from tam_video.tam.temporal import SubtokenAggregate
from tam_video.tam.words import word_maps
from tam_video.types import Float64Array, FloatArray, IntArray, Token, Word

PhraseAggregate: TypeAlias = Literal["head", "mean", "max"]

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


@dataclass(frozen=True, slots=True)
class Phrase:
    """Consecutive words of the answer that name one thing.

    Attributes:
        index: place among the phrases of the answer.
        text: its words, with a space where the answer has a gap.
        char_start: offset of its first character in the answer.
        char_end: offset after its last character.
        word_indices: places of its words among those it was joined from.
        content_indices: those of them that carry content; the last one is the head.
        token_indices: the M-indices of its tokens, in order.
    """

    index: int
    text: str
    char_start: int
    char_end: int
    word_indices: tuple[int, ...]
    content_indices: tuple[int, ...]
    token_indices: tuple[int, ...]


def join_phrases(
    words: Sequence[Word], *, is_noun: Sequence[bool] | None = None, max_content: int = 4
) -> tuple[Phrase, ...]:
    """Join neighbouring words into phrases, by position and form alone.

    A phrase is a run of content words and the determiners right before it ("a small brown dog"). A
    function word or punctuation ends it, and so does `max_content`. Content words that no phrase
    may hold together are told apart by what is known of them:
    - with `is_noun`, a phrase ends at a noun that no noun follows; words after the last noun of a
      run are a phrase of their own;
    - without it, English forms are a hint: inside a run, a word in -ing or -ed begins a new phrase
      ("a man | walking | a dog"), as does one in -s (not -ss, -us, -is) after a determiner of the
      singular ("this dog | runs"). Other verbs and other languages stay in the run.

    Args:
        words: the words of the answer, in order, as of `join_words`.
        is_noun: for each word, whether it is a noun, where something knows.
        max_content: content words in a phrase, at least 1.

    Returns:
        The phrases in order; each content word that is no determiner stands in one.

    Raises:
        ValueError: `is_noun` is not one value a word, or `max_content` is below 1.
    """
    if is_noun is not None and len(is_noun) != len(words):
        raise ValueError(f"is_noun has {len(is_noun)} values for {len(words)} words")
    if max_content < 1:
        raise ValueError(f"max_content must be at least 1, not {max_content}")
    runs = _runs(words, is_noun, max_content)
    return tuple(_phrase(index, words, run) for index, run in enumerate(runs))


def token_phrases(phrases: Sequence[Phrase], *, num_tokens: int) -> IntArray:
    """Which phrase each token belongs to.

    Args:
        phrases: as of `join_phrases`.
        num_tokens: M.

    Returns:
        int64 [M], the phrase's index, -1 for none.

    Raises:
        ValueError: a phrase has a token outside M.
    """
    found = np.full(num_tokens, -1, dtype=np.int64)
    for phrase in phrases:
        if not all(0 <= index < num_tokens for index in phrase.token_indices):
            raise ValueError(f"phrase {phrase.text!r} needs tokens in 0..{num_tokens - 1}")
        found[list(phrase.token_indices)] = phrase.index
    return found


def phrase_maps(
    maps: FloatArray, phrases: Sequence[Phrase], *, aggregate: PhraseAggregate = "mean"
) -> FloatArray:
    """One map per phrase out of the maps of its content words.

    Args:
        maps: float32 [N, t, h, w], the maps of the words that the phrases were joined from.
        phrases: P phrases.
        aggregate: "mean" or "max" over the content words in each cell, or the last one, the "head".

    Returns:
        float32 [P, t, h, w], in the range of `maps`.

    Raises:
        ValueError: `maps` is not [N, t, h, w], a phrase has a word outside N, or `aggregate` is
            unknown.
    """
    if maps.ndim != 4:
        raise ValueError(f"maps must be [N, t, h, w], not {list(maps.shape)}")
    if aggregate not in ("head", "mean", "max"):
        raise ValueError(f"aggregate must be 'head', 'mean' or 'max', not {aggregate!r}")
    joined = np.empty((len(phrases), *maps.shape[1:]), dtype=np.float32)
    for place, phrase in enumerate(phrases):
        indices = list(phrase.content_indices)
        if not all(0 <= index < len(maps) for index in indices):
            raise ValueError(f"phrase {phrase.text!r} needs words in 0..{len(maps) - 1}")
        chosen = maps[indices]
        if aggregate == "head":
            joined[place] = chosen[-1]
        else:
            joined[place] = chosen.max(axis=0) if aggregate == "max" else chosen.mean(axis=0)
    return joined


def subtoken_maps(
    maps: FloatArray,
    words: Sequence[Word],
    *,
    aggregate: SubtokenAggregate = "mean",
    tokens: Sequence[Token] = (),
) -> FloatArray:
    """`word_maps` with one more way: the mean weighted by each sub-token's share of the letters.

    Args:
        maps: float32 [M, t, h, w], the maps of all text tokens.
        words: N words; their `token_indices` count along M.
        aggregate: "first", "mean", "max", or "length": a token weighs as many characters as it
            shares with its word. Where no token of a word shares any, all weigh alike.
        tokens: the M text tokens; needed for "length".

    Returns:
        float32 [N, t, h, w], in the range of `maps`.

    Raises:
        ValueError: as `word_maps`, or there is not one token a map.
    """
    if aggregate != "length":
        return word_maps(maps, words, aggregate=aggregate)
    joined = word_maps(maps, words)
    if len(tokens) != len(maps):
        raise ValueError(f"{len(tokens)} tokens are given for {len(maps)} maps")
    for place, word in enumerate(words):
        indices = list(word.token_indices)
        chosen = maps[indices].astype(np.float64)
        mean = np.tensordot(_letters(word, [tokens[k] for k in indices]), chosen, axes=1)
        joined[place] = np.clip(mean, chosen.min(axis=0), chosen.max(axis=0))
    return joined


def _letters(word: Word, tokens: Sequence[Token]) -> Float64Array:
    """float64 [n], sum 1: how much of the word each of its tokens spells."""
    shared = np.array(
        [
            max(0, min(token.char_end, word.char_end) - max(token.char_start, word.char_start))
            for token in tokens
        ],
        dtype=np.float64,
    )
    if not shared.any():
        shared += 1
    share: Float64Array = shared / shared.sum()
    return share


def _runs(
    words: Sequence[Word], is_noun: Sequence[bool] | None, max_content: int
) -> Iterator[list[int]]:
    """Places of the words of each phrase: determiners, then content words."""
    run: list[int] = []
    for place, word in enumerate(words):
        num_content = sum(_is_content(words[k]) for k in run)
        if num_content and (
            not _is_content(word)
            or num_content == max_content
            or _begins_phrase(words, run, place, is_noun)
        ):
            yield run
            run = []
        if _is_content(word) or _is_determiner(word):
            run.append(place)
        else:
            run = []
    if any(_is_content(words[k]) for k in run):
        yield run


def _is_determiner(word: Word) -> bool:
    return word.text.casefold() in _DETERMINERS


def _is_content(word: Word) -> bool:
    """Some determiners ("another") count as content elsewhere; in a phrase they only open it."""
    return word.is_content and not _is_determiner(word)


def _begins_phrase(
    words: Sequence[Word], run: Sequence[int], place: int, is_noun: Sequence[bool] | None
) -> bool:
    """Whether a content word is no part of the run before it, which has content already."""
    if is_noun is not None:
        return is_noun[run[-1]] and not is_noun[place]
    form = words[place].text.casefold()
    if form.endswith(_VERB_ENDINGS):
        return True
    is_singular = words[run[0]].text.casefold() in _SINGULAR
    return is_singular and form.endswith("s") and not form.endswith(_NOUN_ENDINGS)


def _phrase(index: int, words: Sequence[Word], run: Sequence[int]) -> Phrase:
    members = [words[place] for place in run]
    text = members[0].text
    for before, word in pairwise(members):
        text += word.text if word.char_start == before.char_end else f" {word.text}"
    return Phrase(
        index=index,
        text=text,
        char_start=members[0].char_start,
        char_end=members[-1].char_end,
        word_indices=tuple(run),
        content_indices=tuple(place for place in run if _is_content(words[place])),
        token_indices=tuple(k for word in members for k in word.token_indices),
    )
