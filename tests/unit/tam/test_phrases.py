import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.tam.function_words import FUNCTION_WORDS
from tam_video.tam.phrases import join_phrases, phrase_maps, subtoken_maps, token_phrases
from tam_video.tam.words import word_maps
from tam_video.types import Token, Word


def words_of(text):
    """One token a word; punctuation is a word of its own."""
    return [
        Word(
            index=k,
            text=found.group(),
            char_start=found.start(),
            char_end=found.end(),
            token_indices=(k,),
            is_content=found.group().isalpha() and found.group().lower() not in FUNCTION_WORDS,
        )
        for k, found in enumerate(re.finditer(r"\w+|[^\w\s]", text))
    ]


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
    assert [phrase.text for phrase in join_phrases(words_of(text))] == expected


def test_known_nouns_end_phrases():
    words = words_of("the big dog chases small cats quickly")
    nouns = [word.text in ("dog", "cats") for word in words]

    found = join_phrases(words, is_noun=nouns)

    assert [phrase.text for phrase in found] == ["the big dog", "chases small cats", "quickly"]
    assert found[0].content_indices == (1, 2)


def test_long_runs_are_cut():
    words = words_of("red green blue grey white")

    assert [p.text for p in join_phrases(words, max_content=2)] == [
        "red green",
        "blue grey",
        "white",
    ]


WORDS = st.sampled_from(["a", "the", "of", ",", "dog", "red", "runs", "parked", "walking", "glass"])


@given(st.lists(WORDS, max_size=12), st.integers(1, 3))
def test_each_content_word_stands_in_one_phrase(text, max_content):
    words = words_of(" ".join(text))

    phrases = join_phrases(words, max_content=max_content)

    content = [k for k, word in enumerate(words) if word.is_content]
    assert [k for phrase in phrases for k in phrase.content_indices] == content
    for index, phrase in enumerate(phrases):
        assert phrase.index == index
        first, last = phrase.word_indices[0], phrase.word_indices[-1]
        assert phrase.word_indices == tuple(range(first, last + 1))
        assert phrase.content_indices[-1] == last
        assert len(phrase.content_indices) <= max_content


def test_tokens_know_their_phrase():
    phrases = join_phrases(words_of("a dog and the cat"))

    assert token_phrases(phrases, num_tokens=6).tolist() == [0, 0, -1, 1, 1, -1]
    with pytest.raises(ValueError, match="tokens"):
        token_phrases(phrases, num_tokens=4)


@pytest.mark.parametrize(("aggregate", "value"), [("head", 4.0), ("mean", 3.0), ("max", 4.0)])
def test_phrase_maps_are_of_content_words(aggregate, value):
    phrases = join_phrases(words_of("the red dog"))
    maps = np.array([9, 2, 4], np.float32).reshape(3, 1, 1, 1)

    assert phrase_maps(maps, phrases, aggregate=aggregate).ravel().tolist() == [value]


def test_words_without_gaps_are_joined_without_spaces():
    words = [Word(0, "红", 0, 1, (0,), True), Word(1, "狗", 1, 2, (1,), True)]

    assert join_phrases(words)[0].text == "红狗"


def test_length_weighs_tokens_by_their_letters():
    word = Word(0, "bicycle", 1, 8, (1, 2), True)
    tokens = [token(0, 0, 1), token(1, 0, 2), token(2, 2, 8)]
    maps = np.array([5, 7, 0], np.float32).reshape(3, 1, 1, 1)

    got = subtoken_maps(maps, [word], aggregate="length", tokens=tokens)

    assert got.ravel().tolist() == [1.0]


def test_tokens_without_letters_weigh_alike():
    word = Word(0, "é", 0, 1, (0, 1), True)
    tokens = [token(0, 0, 0), token(1, 1, 1)]
    maps = np.array([1, 3], np.float32).reshape(2, 1, 1, 1)

    assert subtoken_maps(maps, [word], aggregate="length", tokens=tokens).ravel().tolist() == [2.0]


@pytest.mark.parametrize("aggregate", ["first", "mean", "max"])
def test_other_aggregates_are_those_of_words(aggregate):
    maps = np.random.default_rng(0).random((3, 2, 2, 2), dtype=np.float32)
    words = [Word(0, "ab", 0, 2, (0, 2), True)]

    got = subtoken_maps(maps, words, aggregate=aggregate)

    np.testing.assert_array_equal(got, word_maps(maps, words, aggregate=aggregate))


def test_wrong_arguments_are_refused():
    words = words_of("a dog")
    phrases, maps = join_phrases(words), np.zeros((2, 1, 1, 1), np.float32)

    with pytest.raises(ValueError, match="is_noun"):
        join_phrases(words, is_noun=[True])
    with pytest.raises(ValueError, match="max_content"):
        join_phrases(words, max_content=0)
    with pytest.raises(ValueError, match="maps"):
        phrase_maps(maps[0], phrases)
    with pytest.raises(ValueError, match="words"):
        phrase_maps(maps[:1], phrases)
    with pytest.raises(ValueError, match="aggregate"):
        phrase_maps(maps, phrases, aggregate="sum")
    with pytest.raises(ValueError, match="aggregate"):
        subtoken_maps(maps, words, aggregate="sum")
    with pytest.raises(ValueError, match="tokens"):
        subtoken_maps(maps, words, aggregate="length", tokens=[token(0, 0, 1)])
