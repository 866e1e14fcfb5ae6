import math

import numpy as np
import pytest

from tam_video.evaluation.score import (
    CURVES,
    DEFAULT_METRICS,
    FLIP_METRICS,
    METRICS,
    AnswerTruth,
    ObjectWord,
    clip_values,
    explained_map,
    explained_tokens,
    measured_names,
    score_answer,
    score_times,
    visible_span,
    word_counts,
    word_map,
)

SLOTS, ROWS, COLUMNS = 4, 5, 6
FRAME_SLOTS = ((0, 1), (2, 3), (4, 5), (6, 7))


def a_word(indices=(1,), *, slots=range(SLOTS), empty=False):
    """An object of 2 x 2 cells at the top left, seen in some slots; 8 pixels a cell."""
    cells = np.zeros((SLOTS, ROWS, COLUMNS), bool)
    cells[list(slots), :2, :2] = not empty
    pixels = np.repeat(np.kron(cells, np.ones((1, 8, 8))) > 0, 2, axis=0)
    return ObjectWord(tuple(indices), cells, pixels, visible=cells.any(axis=(1, 2)))


def truth_of(*words, function_words=((0,),)):
    return AnswerTruth(words, function_words, FRAME_SLOTS)


def perfect_maps(word, num_tokens=3):
    """The word's tokens show its cells, every other token shows nothing."""
    maps = np.zeros((num_tokens, SLOTS, ROWS, COLUMNS), np.float32)
    maps[list(word.token_indices)] = word.cells
    return maps


def test_perfect_map_has_perfect_scores():
    word = a_word(slots=(0, 1))
    result = score_answer(perfect_maps(word), truth_of(word), METRICS)
    for name in ("viou", "obj_iou", "pointing", "energy", "auc", "temporal_energy", "tiou", "iop"):
        assert result[name] == [pytest.approx(1.0)], name
    assert result["jf"][0] > 0.9


def test_only_selected_metrics_are_reported():
    word = a_word()
    result = score_answer(perfect_maps(word), truth_of(word), ["auc", "f1_iou", "insertion"])
    assert set(result) == {"auc", "obj_iou", "func_iou"}


def test_sub_tokens_are_averaged_before_a_word_is_scored():
    word = a_word((1, 2))
    maps = perfect_maps(word)
    maps[2] = 0
    maps[2, :, 4, 4] = 0.9
    assert score_answer(maps, truth_of(word), ["pointing"])["pointing"] == [1.0]


def test_word_without_an_object_counts_for_nothing_but_the_threshold():
    here, absent = a_word((1,)), a_word((2,), empty=True)
    maps = perfect_maps(here)
    result = score_answer(maps, truth_of(here, absent), DEFAULT_METRICS)
    assert len(result["viou"]) == len(result["obj_iou"]) == 1
    assert explained_tokens(truth_of(here, absent)) == [1]
    np.testing.assert_array_equal(explained_map(maps, truth_of(here, absent)), here.cells)


def test_function_words_below_the_thresholds_of_the_nouns_are_good():
    word = a_word()
    maps = perfect_maps(word)
    maps[1] = np.where(word.cells, 1.0, 0.3)
    maps[0, 0] = 0.5
    result = score_answer(maps, truth_of(word), ["func_iou"])
    assert result["func_iou"] == [pytest.approx(0.75)]


def test_temporal_metrics_count_words_that_come_or_go_only():
    always, sometimes = a_word((1,)), a_word((2,), slots=(2, 3))
    maps = perfect_maps(sometimes)
    maps[1] = always.cells
    result = score_times(maps, truth_of(always, sometimes), METRICS)
    assert result == {"temporal_energy": [1.0], "tiou": [1.0], "iop": [1.0]}
    assert score_times(maps, truth_of(always), METRICS) == {}


@pytest.mark.parametrize(
    ("visible", "span"),
    [
        ((1, 1, 0, 0), (0, 2)),
        ((0, 1, 1, 0), (1, 3)),
        ((0, 0, 0, 1), (3, 4)),
        ((1, 1, 1, 1), None),
        ((0, 0, 0, 0), None),
        ((1, 0, 0, 1), None),
    ],
)
def test_visible_span_is_one_run_that_is_not_all(visible, span):
    assert visible_span(np.array(visible, bool)) == span


def test_clip_value_is_the_mean_of_words_that_have_one():
    parts = [{"auc": [0.5, math.nan]}, {"auc": [1.0], "tiou": [math.nan]}]
    result = clip_values(parts, ["auc", "tiou", "viou"])
    assert result == {"auc": 0.75, "tiou": None, "viou": None}


def test_f1_is_measured_by_its_two_parts():
    assert measured_names(["f1_iou", "viou"]) == ("viou", "obj_iou", "func_iou")


def test_answer_without_object_words_has_no_values():
    maps = np.zeros((2, SLOTS, ROWS, COLUMNS), np.float32)
    result = score_answer(maps, truth_of(), METRICS)
    assert not any(result.values())
    assert explained_map(maps, truth_of()) is None


def test_phrase_is_scored_by_the_mean_of_its_words_not_of_its_tokens():
    word = a_word((0, 1, 2))
    phrase = ObjectWord(word.token_indices, word.cells, word.pixels, word.visible, ((0, 1), (2,)))
    maps = np.zeros((3, SLOTS, ROWS, COLUMNS), np.float32)
    maps[:2, :, 4, 4] = 0.4
    maps[2, :, 0, 0] = 0.6
    np.testing.assert_allclose(word_map(maps, phrase)[0, [4, 0], [4, 0]], [0.2, 0.3], rtol=1e-6)
    assert score_answer(maps, truth_of(phrase), ["pointing"])["pointing"] == [1.0]
    assert score_answer(maps, truth_of(word), ["pointing"])["pointing"] == [0.0]


def test_object_smaller_than_half_a_cell_counts_by_its_pixels_alone():
    word = a_word(empty=True)
    pixels = np.zeros_like(word.pixels)
    pixels[:, 0, 0] = True
    small = ObjectWord(word.token_indices, word.cells, pixels, pixels.any(axis=(1, 2))[::2])
    result = score_answer(perfect_maps(a_word()), truth_of(small), DEFAULT_METRICS)
    assert len(result["jf"]) == 1
    assert "viou" not in result
    assert explained_tokens(truth_of(small)) == [1]


def test_explained_words_may_differ_from_object_words():
    truth = AnswerTruth((), (), FRAME_SLOTS, explained=((0, 1), (2,)))
    maps = np.zeros((3, SLOTS, ROWS, COLUMNS), np.float32)
    maps[0], maps[2] = 1, 1
    assert explained_tokens(truth) == [0, 1, 2]
    assert (explained_map(maps, truth) == 0.75).all()


def test_counts_tell_how_many_words_a_value_is_the_mean_of():
    parts = [{"auc": [0.5, math.nan]}, {"auc": [1.0], "tiou": [math.nan]}]
    assert word_counts(parts, ["auc", "tiou", "viou"]) == {"auc": 2, "tiou": 0, "viou": 0}


def test_every_curve_is_a_metric_and_none_is_measured_by_default():
    assert set(CURVES) <= set(METRICS)
    assert not set(CURVES) & set(DEFAULT_METRICS)
    assert not FLIP_METRICS & set(DEFAULT_METRICS)
