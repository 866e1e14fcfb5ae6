import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.tam.reliance import unseen_words, visual_reliance, word_reliance
from tam_video.types import Generation, Message, Token, VisualLayout, Word

SCORES = st.floats(-4, 4, width=32)


def slow_reliance(raw, relevance, context):
    shares = []
    for m in range(len(raw)):
        seen = max([float(value) for value in raw[m]], default=0.0)
        read = max([float(relevance[m, k]) for k in range(len(raw)) if context[m, k]], default=0.0)
        shares.append(seen / (seen + read) if seen + read > 0 else math.nan)
    return shares


@given(st.data(), st.integers(1, 4), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_reliance_equals_reference_implementation(data, num_tokens, num_cells):
    raw, relevance = (
        np.maximum(data.draw(hnp.arrays(np.float32, (num_tokens, width), elements=SCORES)), 0)
        for width in (num_cells, num_tokens)
    )
    context = data.draw(hnp.arrays(np.bool_, (num_tokens, num_tokens)))
    result = visual_reliance(raw, relevance, context=context)
    # Rounded as the result is: the least float32 values have few digits.
    expected = np.array(slow_reliance(raw, relevance, context), dtype=np.float32)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    known = result[~np.isnan(result)]
    assert ((known >= 0) & (known <= 1)).all()


def test_reliance_does_not_hang_on_the_scale_of_the_logits():
    rng = np.random.default_rng(0)
    raw, relevance = rng.random((3, 8), np.float32), rng.random((3, 3), np.float32)
    context = np.tri(3, k=-1, dtype=np.bool_)
    one = visual_reliance(raw, relevance, context=context)
    two = visual_reliance(8 * raw, 8 * relevance, context=context)
    np.testing.assert_allclose(one, two, rtol=1e-6)
    assert one[0] == 1  # nothing was read before the first token


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\[M, V\]"):
        visual_reliance(
            np.ones((2, 3), np.float32), np.ones((2, 3), np.float32), context=np.ones((2, 2), bool)
        )


def make_generation():
    """Token 1, " red", is seen three times as strongly as read; token 2 is read alone."""
    texts = ("what", " red", " star", "!")
    tokens = tuple(
        Token(k, k, text, "answer" if k else "prompt", 2 + k, 0, len(text))
        for k, text in enumerate(texts)
    )
    scores = np.full((6, 4), -1.0, np.float32)
    scores[0, 1], scores[2, 1] = 3, 1
    scores[3, 2] = 5
    return Generation(
        conversation=(Message("user", "what"),),
        prompt_text="what",
        answer=" red star!",
        tokens=tokens,
        num_prompt_tokens=1,
        layouts=(VisualLayout(1, 1, 2, ((0,),)),),
        visual_positions=np.array([0, 1]),
        text_positions=np.array([2, 3, 4, 5]),
        scores=scores,
    )


def test_words_are_as_reliant_as_their_tokens_on_average():
    words = (Word(0, "red", 0, 4, (1,), True), Word(1, "star!", 4, 10, (2, 3), True))
    result = word_reliance(make_generation(), words)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [0.75, 0])
    joined = (Word(0, "red star", 0, 9, (1, 2), True), Word(1, "!", 9, 10, (3,), False))
    np.testing.assert_allclose(word_reliance(make_generation(), joined), [0.375, np.nan])
    assert word_reliance(make_generation(), ()).shape == (0,)


def test_content_words_with_little_evidence_are_suspects():
    words = [
        Word(k, text, 0, 1, (k,), text != "the")
        for k, text in enumerate(("red", "the", "star", "?"))
    ]
    reliance = np.array([0.5, 0.1, 0.3, np.nan], np.float32)
    assert [word.text for word in unseen_words(words, reliance)] == ["star"]
    assert [word.text for word in unseen_words(words, reliance, below=0.6)] == ["red", "star"]
    with pytest.raises(ValueError, match="shorter"):
        unseen_words(words, reliance[:2])


def test_a_suspect_is_below_the_threshold_of_0_4():
    words = [Word(k, text, 0, 1, (k,), True) for k, text in enumerate("abc")]
    reliance = np.array([0.39, 0.4001, 0.41], np.float32)
    assert [word.text for word in unseen_words(words, reliance)] == ["a"]
    assert [
        word.text for word in unseen_words(words, np.float32([0.5, 0.25, 0.75]), below=0.5)
    ] == ["b"]


def test_no_cells_and_no_text_give_no_reliance():
    context = np.zeros((1, 1), bool)
    nothing = visual_reliance(
        np.zeros((1, 0), np.float32), np.zeros((1, 1), np.float32), context=context
    )
    assert np.isnan(nothing).all()
    seen = visual_reliance(
        np.full((1, 2), 0.5, np.float32), np.ones((1, 1), np.float32), context=context
    )
    assert seen.tolist() == [1.0]
    with pytest.raises(ValueError, match=r"\[M, V\]"):
        visual_reliance(
            np.ones((1, 2, 3), np.float32), np.ones((1, 1), np.float32), context=context
        )
    with pytest.raises(ValueError, match=r"\[M, V\]"):
        visual_reliance(
            np.ones((1, 2), np.float32), np.ones((1, 1), np.float32), context=np.ones((1, 2), bool)
        )
