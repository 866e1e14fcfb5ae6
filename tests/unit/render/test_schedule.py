import numpy as np
import pytest
from render_cases import explanation

from tam_video.errors import ConfigError
from tam_video.render.options import RenderOptions
from tam_video.render.schedule import (
    ClipClock,
    list_turns,
    plan_passes,
    schedule_turns_if_present,
    turn_warnings,
)

CLOCK = ClipClock(np.array([5.0, 5.5, 6.0, 6.5]), end_seconds=7.0)


def planned(**options):
    return plan_passes(explanation(), RenderOptions(**options), CLOCK)


def test_content_words_share_one_pass():
    (only,) = planned()
    schedule = only.schedules[0]
    assert [subject.text for subject in schedule.subjects] == ["Red", "circle"]
    assert [schedule.turn_index(frame) for frame in range(4)] == [0, 0, 1, 1]
    turns = list_turns([only], CLOCK, shift_seconds=5.0)
    assert [(each.start_seconds, each.end_seconds) for each in turns] == [(0, 1), (1, 2)]


@pytest.mark.parametrize("layout", ["overlay", "side"])
def test_a_chosen_word_has_the_whole_clip(layout):
    (only,) = planned(layout=layout, show_word="circle")
    assert [subject.text for subject in only.schedules[0].subjects] == ["circle"]
    assert only.schedules[0].turn_index(3) == 0


def test_words_have_a_pass_each_one_after_the_other():
    passes = planned(layout="words")
    assert [each.offset_seconds for each in passes] == [0, 2]
    turns = list_turns(passes, CLOCK, shift_seconds=5.0)
    assert [(each.text, each.start_seconds, each.end_seconds) for each in turns] == [
        ("Red", 0, 2),
        ("circle", 2, 4),
    ]
    assert turn_warnings(turns) == ()


def test_a_still_picture_is_shown_long_enough_for_each_word():
    clock = ClipClock(np.array([0.0]), end_seconds=0.04)
    passes = plan_passes(explanation(), RenderOptions(layout="words"), clock, is_image=True)
    assert [each.offset_seconds for each in passes] == [0, 2]


def test_a_grid_is_one_turn_of_the_whole_answer():
    (only,) = planned(layout="grid")
    assert only.schedules[0].subjects[0].text == "the Red circle 2"
    assert only.schedules[0].subjects[0].maps is None


@pytest.mark.parametrize("layout", ["overlay", "side", "grid", "words"])
def test_an_empty_answer_has_one_turn_without_heat(layout):
    passes = plan_passes(explanation(answer=""), RenderOptions(layout=layout), CLOCK)
    assert [each.schedules[0].subjects[0].maps for each in passes] == [None]


def test_a_run_that_does_not_say_the_word_shows_nothing():
    look = RenderOptions(show_word="elephant")
    schedule = schedule_turns_if_present(explanation(), look, CLOCK)
    assert schedule.subjects[0].maps is None
    with pytest.raises(ConfigError):
        schedule_turns_if_present(explanation(), RenderOptions(show_token=99), CLOCK)


def test_short_turns_are_told():
    clock = ClipClock(np.array([0.0, 0.1]), end_seconds=0.2)
    turns = list_turns(plan_passes(explanation(), RenderOptions(), clock), clock, shift_seconds=0)
    assert "0.10 s" in turn_warnings(turns)[0]


@pytest.mark.parametrize(("seconds", "warned"), [(0.24, True), (0.25, False), (0.4, False)])
def test_turns_of_less_than_a_quarter_of_a_second_are_warned_of(seconds, warned):
    clock = ClipClock(np.array([0.0, seconds]), end_seconds=2 * seconds)
    turns = list_turns(plan_passes(explanation(), RenderOptions(), clock), clock, shift_seconds=0)
    assert bool(turn_warnings(turns)) is warned
