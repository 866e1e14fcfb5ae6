import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.evaluation.flips import Opposite, first_flip, group_of, named_map, opposite_of
from tam_video.types import Generation, Message, Token, VisualLayout

SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
MAPS = hnp.arrays(np.float32, SHAPES, elements=st.integers(0, 4).map(float))


@pytest.mark.parametrize(
    ("answer", "is_negative", "group"),
    [
        ("Yes, there is a red star.", False, "seen"),
        ("Yes, there is a red star.", True, "hallucinated"),
        ("No, there is no red star.", False, "missed"),
        ("No, there is no red star.", True, None),
        ('"yes"', True, "hallucinated"),
        ("None.", False, None),
        ("There is.", False, None),
        ("", True, None),
    ],
)
def test_answers_are_grouped(answer, is_negative, group):
    assert group_of(answer, is_there=not is_negative) == group


@pytest.mark.parametrize(
    ("answer", "opposite"),
    [("Yes, it is.", "No"), ("no.", "yes"), (" Yes", " No"), ("Nothing", None), ("", None)],
)
def test_the_opposite_keeps_case_and_what_stands_before(answer, opposite):
    assert opposite_of(answer) == opposite


def slow_flip(heat, turns, steps):
    """Cell after cell, hottest first; ties in the order of the cells."""
    flat = heat.ravel().tolist()
    order = sorted(range(len(flat)), key=lambda cell: (-flat[cell], cell))
    for step in range(1, steps + 1):
        gone = order[: len(flat) * step // steps]
        keep = np.array([cell not in gone for cell in range(len(flat))]).reshape(heat.shape)
        if turns(keep[None])[0]:
            return len(gone) / len(flat)
    return 1.0


@given(MAPS, st.integers(1, 7), st.integers(0, 27))
@settings(deadline=None, max_examples=60)
def test_first_flip_equals_reference_implementation(heat, steps, needed):
    def turns(keep):
        return (~keep).sum(axis=(1, 2, 3)) > needed

    assert first_flip(heat, turns, steps=steps) == pytest.approx(slow_flip(heat, turns, steps))


def test_evidence_that_is_hot_flips_sooner_and_what_never_flips_counts_one():
    heat = np.zeros((2, 4, 5), np.float32)
    heat[0, 1, 2] = 1

    def gone(keep):
        return ~keep[:, 0, 1, 2]

    assert first_flip(heat, gone, steps=20) == pytest.approx(0.05)
    assert first_flip(1 - heat, gone, steps=20) == 1
    assert first_flip(heat, lambda keep: np.zeros(len(keep), bool), steps=20) == 1


def test_no_masks_are_scored_after_the_flip():
    asked = []

    def turns(keep):
        asked.append(len(keep))
        return np.ones(len(keep), bool)

    first_flip(np.arange(40, dtype=np.float32).reshape(2, 4, 5), turns, steps=20)
    assert asked == [4]


class Scored:
    """Stands for a scorer that knows the probability of masks that keep one cell more each."""

    def __init__(self, chances):
        self.chances, self.asked = np.array(chances), []

    def __call__(self, keep):
        result = keep.sum(axis=(1, 2, 3)) - 1
        self.asked += result.tolist()
        return self.chances[result]


def test_the_opposite_is_scored_only_where_it_can_be_more_probable():
    said, opposite = Scored([0.9, 0.4, 0.4, 0.5]), Scored([0.0, 0.5, 0.3, 0.5])
    keep = np.tri(4, dtype=bool).reshape(4, 1, 1, 4)
    assert Opposite(said, opposite)(keep).tolist() == [False, True, False, False]
    assert opposite.asked == [1, 2, 3]


def say(*pieces):
    tokens, start = [], 0
    for index, piece in enumerate(pieces):
        tokens.append(Token(index, 5, piece, "answer", 4 + index, start, start + len(piece)))
        start += len(piece)
    return Generation(
        conversation=(Message("user", "?"),),
        prompt_text="",
        answer="".join(pieces),
        tokens=tuple(tokens),
        num_prompt_tokens=0,
        layouts=(VisualLayout(1, 2, 2, ((0,),)),),
        visual_positions=np.arange(4),
        text_positions=4 + np.arange(len(tokens)),
        scores=np.zeros((4 + len(tokens), len(tokens)), np.float32),
    )


def test_words_that_name_the_object_say_what_is_deleted():
    generation = say("Yes", ",", " a", " re", "d", " star", ".")
    maps = np.arange(7, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 2, 2), np.float32)
    assert named_map(maps, generation).ravel().tolist() == [(3.5 + 5) / 2] * 4


def test_an_answer_that_names_nothing_is_read_from_its_first_token():
    maps = np.zeros((2, 1, 2, 2), np.float32)
    maps[0] = 3
    assert named_map(maps, say("Yes", ".")).ravel().tolist() == [3] * 4
