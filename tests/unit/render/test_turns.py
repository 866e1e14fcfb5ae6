from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_cases import explanation

from tam_video.errors import ConfigError
from tam_video.render.turns import (
    NO_SUBJECT,
    answer_tokens,
    find_word,
    group_words,
    question_of,
    share_frames,
    shown_words,
    token_subject,
    words_subject,
)
from tam_video.types import Candidate, Message, Token, Word


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


def test_the_last_question_of_a_conversation_is_shown():
    turns = (Message("user", "one"), Message("assistant", "two"), Message("user", "three"))
    assert question_of(replace(explanation(), conversation=turns)) == "three"
    assert question_of(replace(explanation(), conversation=turns[:2])) == "one"
    assert question_of(explanation()) == ""


def test_special_and_empty_tokens_are_no_tiles():
    seen = explanation()
    special = replace(seen.tokens[2], is_special=True)
    empty = replace(seen.tokens[3], char_end=seen.tokens[3].char_start)
    tokens = (*seen.tokens[:2], special, empty, seen.tokens[4])
    shown = answer_tokens(replace(seen, tokens=tokens))
    assert [token.index for token in shown] == [1, 4]


def test_an_empty_answer_token_lights_nothing():
    seen = explanation()
    empty = replace(seen.tokens[2], char_end=seen.tokens[2].char_start)
    tokens = (*seen.tokens[:2], empty, *seen.tokens[3:])
    assert token_subject(replace(seen, tokens=tokens), 2).spans == ()


def test_a_subject_without_a_map_has_no_energy():
    assert NO_SUBJECT.energy is None


def test_a_word_without_tokens_has_neither_tints_nor_choices():
    seen = explanation()
    scores = np.ones_like(seen.text_scores)
    words = [replace(word, token_indices=()) if word.index == 1 else word for word in seen.words]
    seen = replace(seen, text_scores=scores, words=tuple(words))
    alone = words_subject(seen, seen.words[1:2])
    assert (alone.tints, alone.choices) == ((), ())
    others = words_subject(seen, seen.words[2:3]).tints
    assert [span for span, _ in others] == [(0, 3), (15, 16)]


def test_the_choices_of_words_are_those_of_the_first_token():
    seen = explanation()
    tokens = list(seen.tokens)
    for index, probability in ((2, 0.5), (3, 0.25)):
        said = Candidate(tokens[index].id, tokens[index].text, probability)
        tokens[index] = replace(tokens[index], probability=probability, candidates=(said,))
    seen = replace(seen, tokens=tuple(tokens))
    [choice] = words_subject(seen, seen.words[1:3]).choices
    assert (choice.text, choice.probability, choice.in_answer) == ("Red", 0.5, True)


@pytest.mark.parametrize(
    ("count", "groups", "sizes"), [(5, 2, [2, 3]), (7, 3, [2, 2, 3]), (3, 5, [1, 1, 1]), (0, 4, [])]
)
def test_groups_have_nearly_equal_sizes(count, groups, sizes):
    words = [Word(n, str(n), n, n + 1, (n,), True) for n in range(count)]
    assert [len(group) for group in group_words(words, groups)] == sizes


def test_parts_at_the_ends_of_a_clip_have_a_frame_each():
    pts = np.array([0.0, 0.1, 0.2, 5.0])
    assert share_frames(pts, end_seconds=6.0, parts=4) == [0, 1, 2, 3, 4]
    assert share_frames(pts, end_seconds=6.0, parts=3) == [0, 2, 3, 4]
    assert share_frames(pts, end_seconds=6.0, parts=1) == [0, 4]
    late = np.array([0.0, 5.7, 5.8, 5.9])
    assert share_frames(late, end_seconds=6.0, parts=4) == [0, 1, 2, 3, 4]
    assert share_frames(late, end_seconds=6.0, parts=3) == [0, 1, 2, 4]
