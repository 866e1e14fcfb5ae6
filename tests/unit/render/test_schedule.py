from dataclasses import replace

import numpy as np
import pytest
from render_cases import explanation

from tam_video.errors import ConfigError
from tam_video.render.options import RenderOptions
from tam_video.render.schedule import (
    ClipClock,
    Pass,
    Turn,
    TurnSchedule,
    chosen_subject,
    list_turns,
    plan_passes,
    schedule_turns_if_present,
    turn_warnings,
)
from tam_video.render.turns import NO_SUBJECT

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


@pytest.mark.parametrize(
    ("seconds", "is_image", "offset"),
    [(0.04, True, 2), (2.0, True, 2), (5.0, True, 5), (0.04, False, 0.04), (5.0, False, 5)],
)
def test_only_still_pictures_are_shown_for_two_seconds_at_least(seconds, is_image, offset):
    clock = ClipClock(np.array([0.0]), end_seconds=seconds)
    look = RenderOptions(layout="words")
    passes = plan_passes(explanation(), look, clock, is_image=is_image)
    assert [each.offset_seconds for each in passes] == [0, offset]


def test_a_pass_of_a_clip_that_begins_late_has_the_length_of_the_clip():
    assert [each.offset_seconds for each in planned(layout="words")] == [0, 2.0]


def test_a_frame_begins_at_its_time_and_the_clip_ends_at_its_end():
    assert [CLOCK.edge_seconds(frame) for frame in range(5)] == [5.0, 5.5, 6.0, 6.5, 7.0]
    assert CLOCK.start_seconds == 5.0


def test_each_frame_has_the_subject_of_its_turn():
    subjects = tuple(replace(NO_SUBJECT, text=text) for text in "abc")
    schedule = TurnSchedule(subjects, (0, 1, 3, 4))
    assert [schedule.turn_index(frame) for frame in range(4)] == [0, 1, 1, 2]
    assert schedule.turn_index(4) == 2


def test_turns_have_the_times_the_words_and_the_token_of_their_subjects():
    subjects = (
        replace(NO_SUBJECT, text="a b", word_indices=(0, 1)),
        replace(NO_SUBJECT, text="c", token_index=7),
    )
    passes = [
        Pass((TurnSchedule(subjects, (0, 3, 4)), TurnSchedule((NO_SUBJECT,), (0, 4)))),
        Pass((TurnSchedule(subjects[1:], (0, 4)),), 2.0),
    ]
    turns = list_turns(passes, CLOCK, shift_seconds=4.0)
    assert turns == (
        Turn(1.0, 2.5, "a b", (0, 1)),
        Turn(2.5, 3.0, "c", (), 7),
        Turn(3.0, 5.0, "c", (), 7),
    )


def test_words_that_share_a_frame_are_warned_of_and_one_turn_never_is():
    one = Turn(0.0, 0.1, "a b", (0, 1))
    assert turn_warnings([one]) == ()
    assert turn_warnings([one, replace(one, start_seconds=-1.0)]) == (
        "fewer frames than words: some words share a frame",
        "words are shown for 0.10 s only: layout 'words' is slower",
    )
    assert turn_warnings([Turn(0.0, 1.0, "a", (0,)), Turn(1.0, 2.0, "b c", (1, 2))]) == (
        "fewer frames than words: some words share a frame",
    )
    assert turn_warnings([Turn(0.0, 1.0, "a", (0,)), Turn(1.0, 2.0, "b", (1,))]) == ()


def test_more_words_than_frames_share_them_in_order():
    clock = ClipClock(np.array([0.0]), end_seconds=1.0)
    [only] = plan_passes(explanation(), RenderOptions(), clock)
    assert [each.word_indices for each in only.schedules[0].subjects] == [(1, 2)]


def test_a_chosen_token_has_the_whole_clip_and_a_word_is_taken_by_its_index():
    for options, text in (({"show_token": 2}, "Red"), ({"show_word": 0}, "the")):
        chosen = chosen_subject(explanation(), RenderOptions(**options))
        assert chosen.text == text
        [only] = planned(**options)
        assert [each.text for each in only.schedules[0].subjects] == [text]
        assert only.schedules[0].bounds == (0, 4)
    assert chosen_subject(explanation(), RenderOptions()) is None
