import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.tam import join_words, word_maps
from tam_video.tam.words import content_tokens
from tam_video.types import Token, Word

TEXT = st.text(
    st.sampled_from("ab é.-'’ 3\n红のคัहिन्दीم\u200c👩\u200d🔬🏽🇫🇷️\ufffd…\u200b"), max_size=24
)


def token(index, text, start, end, **options):
    role = options.pop("role", "answer")
    return Token(index, 0, text, role, index, start, end, **options)


def tokens_of(*pieces, first=0):
    """One token per piece, in order."""
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    return [
        token(first + k, piece, end - len(piece), end)
        for k, (piece, end) in enumerate(zip(pieces, ends, strict=True))
    ]


def is_visible(character):
    return unicodedata.category(character)[0] not in "CZ"


def joined(*pieces):
    return [(word.text, *word.token_indices) for word in join_words(tokens_of(*pieces))]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (("a", " red", " tri", "angle", "."), [("a", 0), ("red", 1), ("triangle", 2, 3), (".", 4)]),
        (("don", "'t", " go"), [("don't", 0, 1), ("go", 2)]),
        (("two", "-", "storey", " -", " x"), [("two-storey", 0, 1, 2), ("-", 3), ("x", 4)]),
        (("l", "’", "homme"), [("l’homme", 0, 1, 2)]),
        (("3", ".", "5", " m", "."), [("3.5", 0, 1, 2), ("m", 3), (".", 4)]),
        (("红", "色的", "圆形", "。"), [("红", 0), ("色的", 1), ("圆形", 2), ("。", 3)]),
        (("カー", "ドを"), [("カー", 0), ("ドを", 1)]),
        (("สวัส", "ดี"), [("สวัส", 0), ("ดี", 1)]),
        (("빨간", " 원", "이"), [("빨간", 0), ("원이", 1, 2)]),
        (("हि", "न", "्", "दी", " में"), [("हिन्दी", 0, 1, 2, 3), ("में", 4)]),
        (("مُ", "حَم", "ّد", "،"), [("مُحَمّد", 0, 1, 2), ("،", 3)]),
        (("می", "\u200c", "خواهم"), [("می\u200cخواهم", 0, 1, 2)]),
        (("צה", "״", "ל"), [("צה״ל", 0, 1, 2)]),
        (("👩", "\u200d", "🔬", "👍🏽", "🇫🇷"), [("👩\u200d🔬", 0, 1, 2), ("👍🏽", 3), ("🇫🇷", 4)]),
        (("1", "\ufe0f⃣"), [("1️⃣", 0, 1)]),
        (("a", " ", "\n", "b"), [("a", 0), ("b", 3)]),
        ((), []),
    ],
)
def test_sub_tokens_make_words(pieces, words):
    assert joined(*pieces) == words


def test_token_over_two_words_goes_to_the_one_it_shares_most_with():
    assert joined("re", "d ball", "oon") == [("red", 0), ("balloon", 1, 2)]


def test_token_that_shares_as_much_with_two_words_goes_to_the_first():
    assert joined("re", "d b", "all") == [("red", 0, 1), ("ball", 2)]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (("New York", " is"), [("New York", 0), ("is", 1)]),
        (("x", "...", '."', " y"), [("x", 0), ("...", 1), ('."', 2), ("y", 3)]),
        (("end.",), [("end.", 0)]),
    ],
)
def test_word_that_no_token_chose_joins_its_tokens_choice(pieces, words):
    assert joined(*pieces) == words


def test_bytes_of_one_character_make_one_word():
    tokens = [
        token(0, "a", 0, 2),
        token(1, "", 1, 2),
        token(2, "", 1, 2),
        token(3, "😀", 1, 2),
        token(4, " b", 2, 4),
    ]

    words = join_words(tokens)

    assert [(word.text, word.token_indices) for word in words] == [
        ("a", (0,)),
        ("😀", (1, 2, 3)),
        ("b", (4,)),
    ]


def test_bytes_of_a_letter_stay_in_its_word():
    tokens = [token(0, "caf", 0, 3), token(1, "", 3, 4), token(2, "é", 3, 4), token(3, "s", 4, 5)]

    (word,) = join_words(tokens)

    assert (word.text, word.token_indices) == ("cafés", (0, 1, 2, 3))


def test_special_and_prompt_tokens_belong_to_no_word():
    tokens = [
        token(0, "what", 0, 4, role="prompt"),
        token(1, "red", 0, 3),
        token(2, "", 3, 3, is_special=True),
    ]

    (word,) = join_words(tokens)

    assert word == Word(0, "red", 0, 3, (1,), is_content=True)


def test_words_keep_their_offsets_in_the_answer():
    words = join_words(tokens_of("A", " red", " ball", ".", first=7))

    assert [word.index for word in words] == [0, 1, 2, 3]
    assert [(word.char_start, word.char_end) for word in words] == [
        (0, 1),
        (2, 5),
        (6, 10),
        (10, 11),
    ]
    assert [word.token_indices for word in words] == [(7,), (8,), (9,), (10,)]


@given(TEXT, st.data())
@settings(deadline=None, max_examples=60)
def test_every_visible_token_is_in_exactly_one_word(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(cuts)]
    tokens = tokens_of(*pieces)

    words = join_words(tokens)

    held = [index for word in words for index in word.token_indices]
    assert len(held) == len(set(held))
    assert all(word.token_indices for word in words)
    assert {k for k, piece in enumerate(pieces) if any(map(is_visible, piece))} <= set(held)
    for word in words:
        assert word.text == text[word.char_start : word.char_end]
        assert word.text == word.text.strip()
    assert all(left.char_end <= right.char_start for left, right in pairwise(words))


MAPS = np.random.default_rng(0).random((4, 2, 3, 5), dtype=np.float32)
WORDS = join_words(tokens_of("a", " tri", "angle", "."))


def test_word_map_is_the_mean_of_its_sub_tokens():
    got = word_maps(MAPS, WORDS)

    assert got.dtype == np.float32
    assert got.shape == (3, 2, 3, 5)
    np.testing.assert_array_equal(got[0], MAPS[0])
    np.testing.assert_array_equal(got[1], MAPS[1:3].mean(axis=0))


def test_no_words_give_no_maps():
    assert word_maps(MAPS, []).shape == (0, 2, 3, 5)


@pytest.mark.parametrize("indices", [(), (4,), (-1,)])
def test_word_without_its_tokens_maps_is_refused(indices):
    with pytest.raises(ValueError, match="token indices of word"):
        word_maps(MAPS, [Word(0, "x", 0, 1, indices, is_content=True)])


def test_maps_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="maps must be"):
        word_maps(MAPS[0], WORDS)


def test_content_tokens_are_those_of_content_words():
    words = (
        Word(0, "a", 0, 1, (2,), is_content=False),
        Word(1, "circle", 2, 8, (3, 4), is_content=True),
    )
    is_content = content_tokens(words, num_tokens=6)
    assert is_content.tolist() == [False, False, False, True, True, False]
    assert not content_tokens((), num_tokens=2).any()
    with pytest.raises(ValueError, match=r"0\.\.3"):
        content_tokens(words, num_tokens=4)


@pytest.mark.parametrize("index", [0, 3])
def test_the_first_and_the_last_token_may_belong_to_a_content_word(index):
    is_content = content_tokens([Word(0, "a", 0, 1, (index,), is_content=True)], num_tokens=4)
    assert np.flatnonzero(is_content).tolist() == [index]


@pytest.mark.parametrize("indices", [(4,), (-1,), (0, 4), (-1, 3)])
def test_content_words_with_tokens_outside_the_text_are_refused(indices):
    with pytest.raises(ValueError, match=r"0\.\.3"):
        content_tokens([Word(0, "a", 0, 1, indices, is_content=True)], num_tokens=4)
