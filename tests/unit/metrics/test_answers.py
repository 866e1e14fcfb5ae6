from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.metrics.answers import AnswerIou, Noun, answer_iou
from tam_video.metrics.plausibility import WordScore, otsu_threshold

SHAPE = (1, 3, 4)
BYTES = st.integers(0, 255).map(float)
OBJECT = np.zeros(SHAPE, bool)
OBJECT[0, 1:, 1:3] = True
ABSENT = np.zeros(SHAPE, bool)


@st.composite
def answers(draw):
    """Words in order: (kind, object_id, mask, maps of the sub-tokens); maps hold whole bytes."""
    words = []
    for _ in range(draw(st.integers(0, 5))):
        maps = draw(hnp.arrays(np.float32, (draw(st.integers(1, 3)), *SHAPE), elements=BYTES))
        kind = draw(st.sampled_from(["noun", "noun", "function", "other"]))
        named = draw(st.sampled_from([None, "car", "dog"]))
        words.append((kind, named, OBJECT if named and draw(st.booleans()) else ABSENT, maps))
    return words


def score(words):
    nouns = [
        Noun(maps, mask, word_index=index, object_id=named)
        for index, (kind, named, mask, maps) in enumerate(words)
        if kind == "noun"
    ]
    return answer_iou(nouns, [maps for kind, _, _, maps in words if kind == "function"])


def overlap(cells, mask):
    called = cells > otsu_threshold(cells)
    return float((called & mask).sum() / (called | mask).sum())


def slow_answer(words, pick):
    """Objects, functions: from the definition, with one way to join sub-tokens."""
    join = {"first": lambda scores: scores[0], "mean": np.mean, "best": max}[pick]
    objects, before = [], None
    for index, (kind, named, mask, maps) in enumerate(words):
        if kind != "noun" or not mask.any():
            continue
        value = join([overlap(one, mask) for one in maps])
        if before == (index - 1, named):
            objects[-1] = max(objects[-1], value)
        else:
            objects.append(value)
        before = (index, named)
    cuts = [
        join([otsu_threshold(one) for one in maps]) for kind, *_, maps in words if kind == "noun"
    ]
    functions = []
    for kind, _, _, maps in words:
        if kind == "function" and cuts:
            cold = [np.mean(one < np.float64(np.mean(cuts))) for one in maps]
            functions.append(cold[0] if pick == "first" else np.mean(cold))
    return objects, functions


def published_answer(words):
    """The figures of the public evaluation: bytes, OpenCV's Otsu, best sub-token."""
    objects, cuts, functions = [], [], []
    for kind, _, mask, maps in words:
        if kind != "noun":
            continue
        overlaps, thresholds = [], []
        for one in maps:
            cut, called = cv2.threshold(one[0].astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
            thresholds.append(cut)
            both, either = (called > 0) & mask[0], (called > 0) | mask[0]
            overlaps.append(both.sum() / either.sum() if mask.any() else None)
        cuts.append(max(thresholds))
        objects += [max(overlaps)] if mask.any() else []
    for kind, _, _, maps in words:
        if kind == "function" and cuts:
            shares = [float((one < sum(cuts) / len(cuts)).sum()) / one.size for one in maps]
            functions.append(sum(shares) / len(shares))
    return objects, functions


def parts(scores, pick):
    return [getattr(value, pick) for value in scores]


@given(answers(), st.sampled_from(["first", "mean", "best"]))
@settings(deadline=None, max_examples=30)
def test_answer_equals_reference_implementation(words, pick):
    got = score(words)

    objects, functions = slow_answer(words, pick)
    np.testing.assert_allclose(parts(got.object_iou, pick), objects, rtol=1e-12)
    np.testing.assert_allclose(parts(got.function_iou, pick), functions, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_best_is_what_the_public_evaluation_reports(seed):
    rng = np.random.default_rng(seed)
    drawn = partial(rng.integers, 0, 256)
    words = [
        ("noun", "car", OBJECT, drawn((2, *SHAPE)).astype(np.float32)),
        ("function", None, ABSENT, drawn((2, *SHAPE)).astype(np.float32)),
        ("noun", "dog", ABSENT, drawn((3, *SHAPE)).astype(np.float32)),
        ("noun", "cat", OBJECT, drawn((1, *SHAPE)).astype(np.float32)),
        ("function", None, ABSENT, drawn((1, *SHAPE)).astype(np.float32)),
    ]

    got = score(words)

    objects, functions = published_answer(words)
    np.testing.assert_allclose(parts(got.object_iou, "best"), objects, rtol=1e-12)
    np.testing.assert_allclose(parts(got.function_iou, "best"), functions, rtol=1e-12)


@given(answers())
@settings(deadline=None, max_examples=15)
def test_first_and_mean_never_beat_the_best_overlap(words):
    for value in score(words).object_iou:
        assert 0 <= value.first <= value.best <= 1
        assert value.mean <= value.best + 1e-12


@pytest.mark.parametrize(
    ("second_index", "second_id", "count"), [(1, "light", 1), (2, "light", 2), (1, "car", 2)]
)
def test_only_adjacent_words_of_one_object_are_joined(second_index, second_id, count):
    maps = np.where(OBJECT, 1, 0).astype(np.float32)[None]
    nouns = [
        Noun(np.zeros_like(maps), OBJECT, word_index=0, object_id="light"),
        Noun(maps, OBJECT, word_index=second_index, object_id=second_id),
    ]

    got = answer_iou(nouns, []).object_iou

    assert len(got) == count
    assert got[-1] == WordScore(1, 1, 1)


def test_nameless_neighbours_are_not_joined():
    maps = np.where(OBJECT, 1, 0).astype(np.float32)[None]
    nouns = [Noun(maps, OBJECT, word_index=index) for index in range(2)]

    assert len(answer_iou(nouns, []).object_iou) == 2


def test_noun_without_an_object_counts_for_the_threshold_alone():
    hot = np.where(OBJECT, 1.0, 0.5).astype(np.float32)[None]
    word = np.full((1, *SHAPE), 0.4, np.float32)

    got = answer_iou([Noun(hot, ABSENT)], [word])

    assert got.object_iou == ()
    assert got.function_iou == (WordScore(1, 1, 1),)


def test_answer_without_nouns_has_no_function_score():
    assert answer_iou([], [np.zeros((1, *SHAPE), np.float32)]) == AnswerIou((), ())


def test_threshold_is_taken_on_the_grid_of_the_mask():
    maps = np.array([[0, 1], [0, 0]], np.float32).reshape(1, 1, 2, 2)
    mask = np.zeros((1, 8, 8), bool)
    mask[:, :4, 4:] = True

    got = answer_iou([Noun(maps, mask)], [maps])

    assert 0.5 < got.object_iou[0].mean <= 1
    assert got.function_iou[0].mean == 0.75


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: answer_iou([Noun(np.zeros((1, *SHAPE)), OBJECT[0])], []), r"\[T, H, W\]"),
        (lambda: answer_iou([Noun(np.zeros((1, *SHAPE)), OBJECT.astype(int))], []), "bool"),
        (lambda: answer_iou([Noun(np.zeros(SHAPE), OBJECT)], []), r"\[sub-tokens, t, h, w\]"),
        (lambda: answer_iou([Noun(np.full((1, *SHAPE), np.nan), OBJECT)], []), "finite"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
