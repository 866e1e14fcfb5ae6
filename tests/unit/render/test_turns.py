from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.errors import ConfigError
from tam_video.render.turns import (
    find_word,
    group_words,
    share_frames,
    shown_words,
    token_subject,
    words_subject,
)
from tam_video.types import Explanation, Token, VideoInfo, VisualLayout, Word


def explanation(answer="the Red circle 2", content=("Red", "circle")):
    words, tokens = [], [Token(0, 9, "What", "prompt", 3, 0, 4)]
    for place, text in enumerate(answer.split()):
        start = answer.index(text)
        span = (start, start + len(text))
        words.append(Word(place, text, *span, (place + 1,), text in content))
        tokens.append(Token(place + 1, place, text, "answer", place, *span))
    layout = VisualLayout(2, 1, 1, ((0,), (1,)))
    count = len(words)
    maps = np.linspace(0, 1, (count + 1) * 2, dtype=np.float32).reshape(-1, 2, 1, 1)
    return Explanation(
        info=VideoInfo(Path("c.mp4"), 2, 8, 8, average_fps=1, duration_seconds=2.0),
        indices=np.arange(2),
        pts_seconds=np.arange(2.0),
        conversation=(),
        answer=answer,
        tokens=tuple(tokens),
        words=tuple(words),
        layout=layout,
        maps=maps,
        word_maps=maps[1:].copy(),
        text_scores=np.zeros((count + 1, count + 1), dtype=np.float32),
    )


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


@pytest.mark.parametrize("index", [-1, 5])
def test_an_unknown_token_is_a_config_error_that_lists_them(index):
    with pytest.raises(ConfigError) as caught:
        token_subject(explanation(), index)
    assert "2 'Red'" in caught.value.hint


@pytest.mark.parametrize(
    ("wanted", "index"), [(1, 1), ("1", 1), ("red", 1), (" RED ", 1), ("2", 3), (2, 2), ("0", 0)]
)
def test_a_word_is_found_by_text_or_place(wanted, index):
    assert find_word(explanation(), wanted).index == index


@pytest.mark.parametrize("wanted", ["blue", 4, -1, "4", "", "²"])
def test_an_unknown_word_is_a_config_error_that_lists_them(wanted):
    with pytest.raises(ConfigError) as caught:
        find_word(explanation(), wanted)
    assert "1 'Red'" in caught.value.hint


def test_a_very_long_list_is_cut():
    with pytest.raises(ConfigError) as caught:
        find_word(explanation(answer=" ".join(f"w{n:03}" for n in range(100))), "x")
    assert caught.value.hint.endswith("and 60 more")


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
