import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.variants.phrases import (
    MAX_CONTENT,
    join_phrases,
    letter_weighted_maps,
    same_phrase,
)
from tam_video.tam.function_words import FUNCTION_WORDS
from tam_video.types import Token, Word


def words_of(text):
    """One token a word; punctuation is a word of its own."""
    return [
        Word(
            index=k,
            text=result.group(),
            char_start=result.start(),
            char_end=result.end(),
            token_indices=(k,),
            is_content=result.group().isalpha() and result.group().lower() not in FUNCTION_WORDS,
        )
        for k, result in enumerate(re.finditer(r"\w+|[^\w\s]", text))
    ]


def phrases_of(text):
    words = words_of(text)
    return [" ".join(words[k].text for k in run) for run in join_phrases(words)]


def token(index, start, end):
    return Token(index, 0, "x" * (end - start), "answer", index, start, end)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A small brown dog runs.", ["A small brown dog", "runs"]),
        ("The man is walking a dog", ["The man", "walking", "a dog"]),
        ("A man walking a dog", ["A man", "walking", "a dog"]),
        ("a red car, a blue bus and the parked bicycle", [
            "a red car", "a blue bus", "the parked bicycle",
        ]),
        ("Another dog barks at his dogs", ["Another dog", "barks", "his dogs"]),
        ("a glass of water", ["a glass", "water"]),
        ("all of the", []),
        ("", []),
    ],
)  # fmt: skip
def test_phrases_of_english(text, expected):
    assert phrases_of(text) == expected


WORDS = st.sampled_from(["a", "the", "of", ",", "dog", "red", "runs", "parked", "walking", "glass"])


def test_long_runs_are_cut():
    assert phrases_of("red green blue grey white") == ["red green blue grey", "white"]


@given(st.lists(WORDS, max_size=12))
def test_each_content_word_stands_in_one_phrase(text):
    words = words_of(" ".join(text))

    phrases = list(join_phrases(words))

    content = [k for k, word in enumerate(words) if word.is_content]
    assert [k for run in phrases for k in run if words[k].is_content] == content
    for run in phrases:
        assert run == list(range(run[0], run[-1] + 1))
        assert words[run[-1]].is_content
        assert sum(words[k].is_content for k in run) <= MAX_CONTENT


def test_tokens_of_one_phrase_are_paired():
    same = same_phrase(words_of("a dog and the cat"), num_tokens=6)

    assert [np.flatnonzero(row).tolist() for row in same] == [
        [0, 1], [0, 1], [], [3, 4], [3, 4], [],
    ]  # fmt: skip


def test_words_are_means_weighted_by_letters():
    word = Word(0, "bicycle", 1, 8, (1, 2), True)
    tokens = [token(0, 0, 1), token(1, 0, 2), token(2, 2, 8)]
    maps = np.array([5, 7, 0], np.float32).reshape(3, 1, 1, 1)

    assert letter_weighted_maps(maps, [word], tokens).ravel().tolist() == [1.0]


def test_tokens_without_letters_weigh_alike():
    word = Word(0, "é", 0, 1, (0, 1), True)
    tokens = [token(0, 0, 0), token(1, 1, 1)]
    maps = np.array([1, 3], np.float32).reshape(2, 1, 1, 1)

    assert letter_weighted_maps(maps, [word], tokens).ravel().tolist() == [2.0]
