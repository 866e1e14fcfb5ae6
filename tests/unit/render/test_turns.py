from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_cases import explanation

from tam_video.errors import ConfigError
from tam_video.render.turns import (
    find_word,
    group_words,
    share_frames,
    shown_words,
    token_subject,
    words_subject,
)
from tam_video.types import Candidate, Token, Word


def test_content_words_are_shown_and_all_words_where_there_are_none():
    assert [word.text for word in shown_words(explanation())] == ["Red", "circle"]
    assert len(shown_words(explanation(content=()))) == 4
    assert shown_words(explanation(answer="")) == []


def test_words_together_show_the_strongest_of_their_maps():
    seen = explanation()
    subject = words_subject(seen, seen.words[1:3])
    assert (subject.text, subject.spans, subject.word_indices) == (
        "Red circle",
        ((4, 7), (8, 14)),
        (1, 2),
    )
    np.testing.assert_array_equal(subject.maps, np.maximum(seen.word_maps[1], seen.word_maps[2]))


def test_a_token_is_shown_with_its_own_map():
    seen = explanation()
    subject = token_subject(seen, 2)
    assert (subject.text, subject.spans, subject.token_index) == ("Red", ((4, 7),), 2)
    np.testing.assert_array_equal(subject.maps, seen.maps[2])


def test_a_prompt_token_lights_nothing():
    assert token_subject(explanation(), 0).spans == ()


def test_words_said_before_have_their_relevance_to_the_shown_one():
    seen = explanation()
    scores = np.zeros_like(seen.text_scores)
    scores[3, 1], scores[3, 2], scores[3, 0] = 0.01, 0.7, 0.9  # the prompt token is no word
    seen = replace(seen, text_scores=scores)
    assert words_subject(seen, [seen.words[2]]).tints == (((4, 7), pytest.approx(0.7)),)
    assert token_subject(seen, 3).tints == (((4, 7), pytest.approx(0.7)),)
    assert words_subject(seen, seen.words[1:3]).tints == ()


def test_the_said_token_is_among_the_choices_even_where_it_was_forced():
    candidates = tuple(Candidate(n, f"c{n}", 0.3) for n in (7, 1, 8, 9))
    said = Token(2, 1, "Red", "answer", 1, 4, 7, 0.3, candidates)
    forced = Token(2, 5, "Red", "answer", 1, 4, 7, 0.01, candidates)
    for token, texts in ((said, ["c7", "c1", "c8"]), (forced, ["Red", "c7", "c1"])):
        seen = explanation()
        tokens = (*seen.tokens[:2], token, *seen.tokens[3:])
        choices = token_subject(replace(seen, tokens=tokens), 2).choices
        assert [choice.text for choice in choices] == texts
        assert sum(choice.in_answer for choice in choices) == 1
    assert token_subject(explanation(), 0).choices == ()


def test_energy_is_the_mean_of_each_slot():
    subject = words_subject(explanation(), explanation().words[1:2])
    np.testing.assert_allclose(subject.energy, explanation().word_maps[1].mean(axis=(1, 2)))


@pytest.mark.parametrize("index", [-1, 5])
def test_an_unknown_token_is_a_config_error_that_lists_them(index):
    with pytest.raises(ConfigError) as caught:
        token_subject(explanation(), index)
    assert caught.value.hint == (
        "choose an index from 0 to 4; answer tokens: 1 'the', 2 'Red', 3 'circle', 4 '2'"
    )


@pytest.mark.parametrize(
    ("wanted", "index"), [(1, 1), ("1", 1), ("red", 1), (" RED ", 1), ("2", 3), (2, 2), ("0", 0)]
)
def test_a_word_is_found_by_text_or_place(wanted, index):
    assert find_word(explanation(), wanted).index == index


@pytest.mark.parametrize("wanted", ["blue", 4, -1, "4", "", "²"])
def test_an_unknown_word_is_a_config_error_that_lists_them(wanted):
    with pytest.raises(ConfigError) as caught:
        find_word(explanation(), wanted)
    assert caught.value.hint == "available words: 0 'the', 1 'Red', 2 'circle', 3 '2'"


def test_a_very_long_list_is_cut():
    with pytest.raises(ConfigError) as caught:
        find_word(explanation(answer=" ".join(f"w{n:03}" for n in range(100))), "x")
    assert caught.value.hint.endswith("39 'w039', and 60 more")
    with pytest.raises(ConfigError) as caught:
        find_word(explanation(answer=" ".join(f"w{n:03}" for n in range(40))), "x")
    assert caught.value.hint.endswith("39 'w039'")


def test_relevance_below_a_twentieth_is_not_tinted_and_never_above_one():
    seen = explanation()
    scores = np.zeros_like(seen.text_scores)
    scores[3, 1], scores[3, 2], scores[3, 4] = 0.0625, 0.0499, 1.5
    seen = replace(seen, text_scores=scores)
    assert token_subject(seen, 3).tints == (((0, 3), 0.0625), ((15, 16), 1.0))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=40), st.data())
def test_every_part_has_a_frame_and_none_is_lost(gaps, data):
    pts = np.cumsum([0.0, *gaps])
    parts = data.draw(st.integers(1, len(pts)))
    bounds = share_frames(pts, end_seconds=float(pts[-1]) + 0.1, parts=parts)
    assert (bounds[0], bounds[-1], len(bounds)) == (0, len(pts), parts + 1)
    assert all(before < after for before, after in pairwise(bounds))


def test_parts_have_equal_time_not_equal_frames():
    pts = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 1.5])
    assert share_frames(pts, end_seconds=2.0, parts=2) == [0, 6, 8]


@pytest.mark.parametrize("parts", [0, 4])
def test_impossible_parts_are_a_programming_mistake(parts):
    with pytest.raises(ValueError, match="3 frames"):
        share_frames(np.arange(3.0), end_seconds=3.0, parts=parts)


@given(st.integers(0, 20), st.integers(1, 20))
def test_groups_lose_no_word(count, groups):
    words = [Word(n, str(n), n, n + 1, (n,), True) for n in range(count)]
    grouped = group_words(words, groups)
    assert [word for group in grouped for word in group] == words
    assert len(grouped) == min(count, groups)
    assert all(grouped)


@pytest.mark.parametrize(("score", "tinted"), [(0.049, False), (0.05, True), (0.06, True)])
def test_words_of_little_relevance_are_not_tinted(score, tinted):
    seen = explanation()
    scores = np.zeros(seen.text_scores.shape, dtype=np.float64)
    scores[3, 2] = score
    assert bool(words_subject(replace(seen, text_scores=scores), [seen.words[2]]).tints) is tinted
