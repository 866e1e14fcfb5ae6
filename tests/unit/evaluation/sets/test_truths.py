from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.evaluation.sets.truths import (
    NamedTruth,
    ReferredTruth,
    SpanTruth,
    WordsTruth,
    YesNoTruth,
    slot_edges,
    span_slots,
)
from tam_video.types import FrameBatch, Generation, Message, Token, VideoInfo, VisualLayout

LAYOUT = VisualLayout(4, 2, 2, ((0, 1), (2, 3), (4, 5), (6, 7)))
CELLS = 16


class Corners:
    """Two objects of a quarter each: top left in all frames, bottom right from frame 4 on."""

    def masks(self, frame):
        result = np.zeros((2, 8, 8), bool)
        result[0, :4, :4] = True
        result[1, 4:, 4:] = frame >= 4
        return result


def batch():
    info = VideoInfo(Path("clip"), 8, 8, 8, Fraction(2), 4.0)
    return FrameBatch(np.zeros((8, 8, 8, 3), np.uint8), np.arange(8), np.arange(8) / 2, info)


def say(*pieces):
    tokens, start = [], 0
    for index, piece in enumerate(pieces):
        tokens.append(Token(index, 5, piece, "answer", CELLS + index, start, start + len(piece)))
        start += len(piece)
    return Generation(
        conversation=(Message("user", "?"),),
        prompt_text="",
        answer="".join(pieces),
        tokens=tuple(tokens),
        num_prompt_tokens=0,
        layouts=(LAYOUT,),
        visual_positions=np.arange(CELLS),
        text_positions=CELLS + np.arange(len(tokens)),
        scores=np.zeros((CELLS + len(tokens), len(tokens)), np.float32),
    )


def test_nouns_point_at_the_objects_of_their_category():
    truth, score = NamedTruth(Corners(), ("dog", "person")).of(
        batch(), say("A ", "dog", " sees ", "two ", "people")
    )
    dog, people = truth.objects
    assert (dog.token_indices, people.token_indices) == ((1,), (4,))
    assert dog.cells[:, 0, 0].all()
    assert people.visible.tolist() == [False, False, True, True]
    assert people.pixels.shape == (8, 8, 8)
    maps = np.zeros((5, *LAYOUT.shape), np.float32)
    maps[4, 2:, 1, 1] = 1
    result = score(maps, truth, ["viou", "tiou", "energy"])
    assert result["viou"] == [0.0, 1.0]
    assert result["tiou"] == [1.0]


def test_phrase_is_the_mean_of_its_content_words():
    truth, score = ReferredTruth(Corners()).of(batch(), say("the ", "br", "own ", "dog"))
    (phrase,) = truth.objects
    assert phrase.parts == ((1, 2), (3,))
    assert phrase.token_indices == (1, 2, 3)
    maps = np.zeros((4, *LAYOUT.shape), np.float32)
    maps[3, :, 0, 0] = 0.6
    maps[1, :, 0, 1] = 0.4
    result = score(maps, truth, ["pointing", "energy"])
    assert result["pointing"] == [1.0]
    assert result["energy"] == [pytest.approx(0.3 / (0.3 + 0.1))]


def test_expression_without_content_words_is_scored_by_all_its_words():
    truth, _ = ReferredTruth(Corners()).of(batch(), say("the ", "other"))
    assert truth.explained_words == ((0,), (1,))


def test_yes_is_explained_by_its_first_word_and_a_caption_by_its_content():
    truth, _ = YesNoTruth(True).of(batch(), say("Yes", ", ", "no ", "dog"))
    assert truth.explained_words == ((0,),)
    silent, _ = YesNoTruth(True).of(batch(), say("A ", "dog"))
    assert silent.explained_words == ()
    words, score = WordsTruth().of(batch(), say("A ", "dog", " runs"))
    assert words.explained_words == ((1,), (2,))
    assert score(np.ones((3, *LAYOUT.shape), np.float32), words, ["viou"]) == {}


def test_spans_are_compared_in_seconds():
    truth, score = SpanTruth(((2.0, 4.0),)).of(batch(), say("a ", "dog"))
    maps = np.zeros((2, *LAYOUT.shape), np.float32)
    maps[1, 2:] = 1
    result = score(maps, truth, ["tiou", "iop", "temporal_energy", "viou"])
    begin = 1.75  # half way between the slots at 1.25 and 2.25 seconds
    assert result == {
        "tiou": [pytest.approx(2.0 / (4.0 - begin))],
        "iop": [pytest.approx(2.0 / (4.0 - begin))],
        "temporal_energy": [1.0],
    }
    opposite, _ = maps[:, ::-1], None
    assert score(opposite, truth, ["tiou", "temporal_energy"]) == {
        "tiou": [0.0],
        "temporal_energy": [0.0],
    }


def test_best_of_several_spans_counts():
    truth, score = SpanTruth(((0.0, 0.1), (1.75, 4.0))).of(batch(), say("dog"))
    maps = np.zeros((1, *LAYOUT.shape), np.float32)
    maps[0, 2:] = 1
    assert score(maps, truth, ["tiou", "iop"]) == {"tiou": [1.0], "iop": [1.0]}


def test_constant_map_names_no_moment():
    truth, score = SpanTruth(((1.0, 2.0),)).of(batch(), say("dog"))
    result = score(np.ones((1, *LAYOUT.shape), np.float32), truth, ["tiou", "iop"])
    assert result == {"tiou": [0.0], "iop": [0.0]}


def test_slots_tile_the_video():
    edges = slot_edges(LAYOUT, np.arange(8) / 2, end_seconds=4.0)
    assert edges.tolist() == [0.0, 0.75, 1.75, 2.75, 4.0]


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5)).map(lambda pair: tuple(sorted(pair))),
        min_size=1,
        max_size=3,
    )
)
def test_slots_of_spans_equals_reference_implementation(spans):
    seconds = np.arange(8) / 2
    result = span_slots(LAYOUT, seconds, spans)
    away = [
        min(
            max(0.0, start - seconds[frame], seconds[frame] - end)
            for frame in frames
            for start, end in spans
        )
        for frames in LAYOUT.frame_slots
    ]
    assert result.tolist() == [distance == min(away) for distance in away]
    assert result.any()
