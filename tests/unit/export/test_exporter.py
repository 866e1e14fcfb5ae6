"""What every exporter receives."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from constructed import make_explanation, make_info, moving_maps

from tam_video.errors import MissingDependencyError
from tam_video.export.exporter import Exporter, TrackedInput, plain_number
from tam_video.localise import slot_timeline, word_tracks


def tracked(explanation, frames=(0, 5)):
    timeline = slot_timeline(explanation)
    return TrackedInput(explanation, word_tracks(explanation), timeline, np.array(frames))


def test_labels_are_words_on_one_line_and_categories_are_distinct():
    words = ["red\nstar", "\u202e", "red star", "red"]
    one = tracked(make_explanation(moving_maps(4), words=words))
    assert one.labels == ("red star", "word 1", "red star", "red")
    assert one.categories == ("red star", "word 1", "red")


def test_names_and_texts_can_be_written():
    one = tracked(make_explanation(moving_maps(2), words=["a", "b\ud800"]))
    assert (one.name, one.file_name) == ("the_clip", "the clip.mp4")
    assert (one.question, one.answer) == ("What moves?", "a b\ufffd")
    assert one.info is one.explanation.info


def test_players_start_at_the_first_frame():
    one = tracked(make_explanation(moving_maps(), info=make_info(start_seconds=5.0)))
    assert one.player_seconds(6.25) == 1.25
    assert one.player_seconds(4.0) == 0.0
    (span,) = one.tracks[0].spans_seconds
    (times,) = one.player_milliseconds(one.tracks[0])
    assert times == tuple(round(1000 * (edge - 5)) for edge in span)


def test_listed_slots_are_those_of_the_listed_frames():
    one = tracked(make_explanation(moving_maps()), frames=(0, 5, 23))
    assert one.listed_slots.tolist() == [0, 1, 5]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1 / 3, 0.333333), (2e-7, 0.0), (np.float32(0.5), 0.5), (3, 3.0), (math.nan, None),
     (math.inf, None), (-math.inf, None)],
)  # fmt: skip
def test_numbers_have_six_digits_or_are_undefined(value, expected):
    assert plain_number(value) == expected
    assert type(plain_number(value)) in (float, type(None))


def test_a_missing_package_is_named(monkeypatch):
    def exporter(**options):
        return Exporter("mine", ("a",), "", None, lambda *_: None, **options)

    exporter().check_package()
    exporter(package="json.decoder").check_package()
    monkeypatch.setitem(sys.modules, "some.part", None)
    monkeypatch.setitem(sys.modules, "some", None)
    with pytest.raises(MissingDependencyError, match="the format 'mine' needs some") as caught:
        exporter(package="some.part", extra="more").check_package()
    assert caught.value.hint == "pip install 'tam-video[more]'"
