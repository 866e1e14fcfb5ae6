"""Which regions are hidden to check the words of an answer, and what that costs."""

from dataclasses import replace

import numpy as np
import pytest
from constructed import make_explanation, moving_maps, with_input
from report_runs import make_explanation as make_run

from tam_video.errors import ConfigError
from tam_video.localise import word_tracks
from tam_video.report.content import report_data
from tam_video.report.media import NO_MEDIA
from tam_video.report.page import report_page
from tam_video.settings.verify import VerifySettings
from tam_video.types import Verification, WordVerification
from tam_video.verification import plan_verification


def test_the_track_comes_first_and_then_its_controls():
    explanation = make_explanation(moving_maps(2))
    plan = plan_verification(explanation, VerifySettings(num_controls=3))
    for each, track in zip(plan.regions, word_tracks(explanation), strict=True):
        assert each.masks.shape == (4, *track.mask.shape)
        np.testing.assert_array_equal(each.masks[0], track.mask)
        assert (each.masks.sum(axis=(1, 2, 3)) == track.mask.sum()).all()


def test_equal_regions_of_several_words_are_hidden_once():
    maps = np.concatenate([moving_maps(), moving_maps()])
    settings = VerifySettings(num_controls=3)
    plan = plan_verification(make_explanation(maps), settings)
    assert len(plan.unique_masks(0)) == 4
    assert plan.num_passes == 2 + 2 * 4
    assert plan.cost == "2 words, about 10 passes of the model"


def test_the_input_with_the_highest_map_is_hidden():
    maps = moving_maps(2)
    explanation = make_explanation(maps)
    first, faint = explanation.inputs[0], explanation.inputs[0].word_maps.copy()
    faint[0] *= 0.5
    second = replace(first, word_maps=faint[::-1].copy())
    both = replace(explanation, inputs=(replace(first, word_maps=faint), second))
    plan = plan_verification(both, VerifySettings())
    assert [each.input for each in plan.regions] == [1, 0]


def test_words_are_checked_in_the_order_of_the_answer_and_must_be_in_it():
    explanation = make_explanation(moving_maps(3))
    plan = plan_verification(explanation, VerifySettings(words=("2", 0, 2)))
    assert [each.word for each in plan.regions] == [0, 2]
    with pytest.raises(ConfigError, match="no word"):
        plan_verification(explanation, VerifySettings(words=("elephant",)))


def test_constant_maps_cost_nothing():
    flat = with_input(
        make_explanation(moving_maps()), word_maps=np.full((1, 6, 6, 6), 0.5, np.float32)
    )
    plan = plan_verification(flat, VerifySettings())
    assert plan.num_passes == 0
    assert plan.cost == "no word has a track, so the model is not run"


@pytest.mark.parametrize("values", [{"num_controls": 0}, {"batch_size": 0}, {"seed": -1}])
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(ConfigError, match="out of range"):
        VerifySettings(**values)


def test_the_report_shows_the_check_of_each_word():
    check = WordVerification(1, 0, 0.7, 0.1, (0.6, 0.7))
    plain = make_run()
    checked = replace(plain, verification=Verification((check,), 8, warnings=("another device",)))
    words = report_data(checked, [NO_MEDIA])["words"]
    assert words[1]["check"] == {
        "sentence": check.sentence,
        "hidden": 0.1,
        "numBeaten": 2,
        "numControls": 2,
    }
    assert [word["check"] for word in words if word["text"] != "cyan"] == [None] * (len(words) - 1)
    page = report_page(checked, [NO_MEDIA]).html
    assert "1 of 1 words lose more probability" in page
    assert "another device" in page
    assert "lose more probability" not in report_page(plain, [NO_MEDIA]).html
