"""What the causal check of a word says in words and numbers."""

import pytest

from tam_video.types import Verification, WordVerification

CLEAR = WordVerification(3, 0, 0.93, 0.12, (0.93, 0.91, 0.92))


def test_a_word_that_loses_more_than_with_any_control_is_confirmed():
    assert (CLEAR.num_beaten, CLEAR.is_confirmed) == (3, True)
    assert CLEAR.summary == "hidden: 0.93 to 0.12; controls: 0.91 to 0.93 (3 of 3)"
    assert CLEAR.sentence == (
        "Probability 0.93; with its track hidden 0.12; with a region of the same size and motion "
        "hidden elsewhere 0.91 to 0.93. Without its track it is less probable than with 3 of 3 "
        "such regions hidden."
    )


@pytest.mark.parametrize(
    ("word", "num_beaten"),
    [
        (WordVerification(0, 0, 0.93, 0.12, (0.93, 0.05)), 1),  # one control takes more
        (WordVerification(0, 0, 0.93, 0.925, (0.93, 0.93)), 0),  # no more than rounding
        (WordVerification(0, 0, 0.1, 0.2, (0.5, 0.6)), 2),  # it rises
        (WordVerification(0, 0, 0.93, 0.12), 0),  # nothing to compare with
        (WordVerification(0, 0, 0.93), 0),  # no track
    ],
)
def test_other_words_are_not_confirmed(word, num_beaten):
    assert (word.num_beaten, word.is_confirmed) == (num_beaten, False)


def test_a_word_without_track_or_controls_says_so():
    assert "no track" in WordVerification(0, 0, 0.9).summary
    assert "no track" in WordVerification(0, 0, 0.9).sentence
    assert WordVerification(0, 0, 0.9, 0.1).summary == (
        "hidden: 0.90 to 0.10; no control region fits in the picture"
    )
    assert "No control region fits" in WordVerification(0, 0, 0.9, 0.1).sentence


def test_the_summary_counts_the_words():
    words = (CLEAR, WordVerification(4, 0, 0.9, 0.9, (0.9,)), WordVerification(5, 0, 0.9))
    result = Verification(words, num_passes=9)
    assert result.of_word(3) is CLEAR
    assert result.of_word(0) is None
    assert result.summary == (
        "1 of 2 words lose more probability with their track hidden than with any control region "
        "hidden; 1 could not be compared"
    )


@pytest.mark.parametrize("values", [(1.5,), (0.5, -0.1), (0.5, None, (0.5,)), (0.5, 0.5, (2.0,))])
def test_impossible_values_are_refused(values):
    with pytest.raises(ValueError, match=r"\[0, 1\]|track"):
        WordVerification(0, 0, *values)
