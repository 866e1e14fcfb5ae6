from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from tam_video.datasets.cells import cell_masks
from tam_video.datasets.worlds import WORLDS, make_world
from tam_video.evaluation.controls_clip import (
    described,
    mismatched_ground_truth,
    other_frames,
    predicted_scores,
    smoothed,
    source_values,
)
from tam_video.evaluation.controls_settings import ControlSettings
from tam_video.evaluation.score import AnswerTruth, ObjectWord, clip_values, score_answer
from tam_video.types import FrameBatch, VideoInfo, VisualLayout

SHAPE = (4, 5, 6)
METRICS = ("auc", "temporal_auc", "viou", "coherence")


def a_word(*indices, slot=0, corner=(0, 0)):
    row, column = corner
    cells = np.zeros(SHAPE, bool)
    cells[: slot + 1, row : row + 2, column : column + 2] = bool(indices)
    pixels = np.kron(cells, np.ones((1, 4, 4))) > 0
    return ObjectWord(indices, cells, pixels, visible=cells.any(axis=(1, 2)))


def truth_of(*words):
    return AnswerTruth(words, ((0,),), tuple((slot,) for slot in range(SHAPE[0])))


def some_maps(num_tokens=4, seed=0):
    return np.random.default_rng(seed).random((num_tokens, *SHAPE), dtype=np.float32)


def test_values_are_those_of_the_score_under_the_name_of_the_source():
    truth, maps = truth_of(a_word(1), a_word(2, 3, slot=2)), some_maps()
    result = source_values(maps, truth, METRICS, source="blank")
    expected = clip_values([score_answer(maps, truth, METRICS)], METRICS)
    assert result == {f"blank:{name}": value for name, value in expected.items()}


def test_correlation_with_the_true_map_is_computed_per_word():
    words = (a_word(1), a_word(2, 3))
    first, second = some_maps(), some_maps(seed=1)
    result = source_values(first, truth_of(*words), ("auc",), source="top", original=second)
    expected = [
        spearmanr(first[list(w.token_indices)].mean(0), second[list(w.token_indices)].mean(0), None)
        for w in words
    ]
    assert result["top:spearman"] == pytest.approx(
        np.mean([each.statistic for each in expected]), abs=1e-6
    )
    same = source_values(first, truth_of(*words), (), source="true", original=first)
    assert same == {"true:spearman": 1.0}


def test_constant_map_has_no_correlation():
    maps = np.zeros((4, *SHAPE), np.float32)
    result = source_values(maps, truth_of(a_word(1)), (), source="blank", original=some_maps())
    assert result == {"blank:spearman": None}


def test_map_that_is_only_smoothed_is_steady_and_knows_no_time():
    word = a_word(1, slot=1)
    maps = some_maps()
    maps[1] = word.cells
    result = source_values(smoothed(maps), truth_of(word), METRICS, source="smoothed")
    assert result["smoothed:coherence"] == pytest.approx(1.0)
    assert result["smoothed:temporal_auc"] == 0.5
    assert result["smoothed:auc"] < 1


def test_mismatched_ground_truth_takes_the_tokens_of_true_words_and_the_masks_of_other_clips():
    truth = truth_of(a_word(1), a_word(), a_word(2, 3))
    clips = [
        [a_word(9, corner=(2, 2)), a_word(9, corner=(3, 3))],
        [a_word(9, corner=(0, 4))],
        [a_word()],
    ]
    result = mismatched_ground_truth(truth, clips, seed=0)
    assert [word.token_indices for word in result.objects] == [(1,), (1,), (2, 3), (2, 3)]
    allowed = [{word.cells.tobytes() for word in words} for words in clips]
    for word, masks in zip(result.objects, [*allowed[:2], *allowed[:2]], strict=True):
        assert word.cells.tobytes() in masks
    again = mismatched_ground_truth(truth, clips, seed=0)
    for ours, theirs in zip(result.objects, again.objects, strict=True):
        np.testing.assert_array_equal(ours.cells, theirs.cells)


def test_predicted_score_is_the_mean_over_words_of_a_reference_implementation():
    words, maps = (a_word(5), a_word(6, 7)), some_maps(8)
    rng = np.random.default_rng(3)
    keep, measured = rng.random((9, *SHAPE)) < 0.5, rng.normal(size=(9, 3))
    result = predicted_scores(
        maps, truth_of(*words, a_word()), keep, measured, first_token=5, source="true"
    )
    expected = []
    for tokens in ([0], [1, 2]):
        heat = np.mean([maps[5 + token] for token in tokens], axis=0, dtype=np.float64)
        sums = [heat[mask].sum() for mask in keep]
        spans = [sum(row[token] for token in tokens) for row in measured]
        expected.append(spearmanr(sums, spans).statistic)
    assert result == {"true:lds": pytest.approx(np.mean(expected), abs=1e-6)}


def test_other_frames_are_those_of_the_clip_in_another_order_or_none():
    frames = np.arange(6 * 2 * 2 * 3, dtype=np.uint8).reshape(6, 2, 2, 3)
    swapped = np.full_like(frames, 7)
    result = other_frames(frames, swapped, seed=1)
    assert set(result) == {"swapped", "shuffled", "blank"}
    np.testing.assert_array_equal(result["swapped"], swapped)
    np.testing.assert_array_equal(np.sort(result["shuffled"], axis=0), frames)
    assert not np.array_equal(result["shuffled"], frames)
    assert len(np.unique(result["blank"].reshape(-1, 3), axis=0)) == 1
    np.testing.assert_array_equal(
        result["shuffled"], other_frames(frames, swapped, seed=1)["shuffled"]
    )


def test_described_objects_of_a_clip_are_its_colour_and_shape_words():
    clip = make_world("base", 3)
    indices = np.linspace(0, clip.num_frames - 1, 6).round().astype(np.int64)
    info = VideoInfo(Path("clip.mp4"), clip.num_frames, 8, 8, Fraction(12), 4.0)
    batch = FrameBatch(np.zeros((6, 8, 8, 3), np.uint8), indices, indices / 12, info)
    layout = VisualLayout(3, 7, 7, ((0, 1), (2, 3), (4, 5)))
    words = described(clip, batch, layout)
    assert len(words) == 2 * len(clip.objects)
    cells = cell_masks(clip, layout, indices)
    for number, item in enumerate(clip.objects):
        np.testing.assert_array_equal(words[2 * number].cells, cells[number])
        alike = [other.shape == item.shape for other in clip.objects]
        np.testing.assert_array_equal(words[2 * number + 1].cells, cells[alike].any(axis=0))


@pytest.mark.parametrize("world", list(WORLDS))
def test_clips_of_a_world_can_be_swapped(world):
    first, second = (make_world(world, seed) for seed in (0, 1))
    assert (first.num_frames, first.width, first.height) == (
        second.num_frames,
        second.width,
        second.height,
    )


def test_settings_tell_what_is_measured():
    assert ControlSettings(parts=("flips",)).sources == ()
    assert ControlSettings(parts=("controls",)).sources[-1] == "random weights"
    assert "decoder" not in ControlSettings(parts=("controls",)).sources
    both = ControlSettings(parts=("cascade", "controls"))
    assert both.parts == ("controls", "cascade")
    assert both.sources == (
        "true",
        "smoothed",
        "swapped",
        "shuffled",
        "blank",
        "top 25 %",
        "top 50 %",
        "top 75 %",
        "decoder",
        "random weights",
    )
    assert ControlSettings(methods=("centre", "tam")).explained == ("centre", "tam", "random")


def test_controls_have_an_identity_of_their_own():
    assert ControlSettings().identity()["evaluation"] == "controls"
    shorter, longer = ControlSettings(clips=2).identity(), ControlSettings(clips=9).identity()
    assert shorter == longer
    assert shorter != ControlSettings(masks=8).identity()
