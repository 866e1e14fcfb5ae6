"""Redaction changes the boxes and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tam_video.long.gate import Motion
from tam_video.pipelines.surveillance.options import RedactOptions
from tam_video.pipelines.surveillance.redaction import MotionTrack, outline, redact

PICTURE = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
TRACK = MotionTrack(
    (Motion(1.0, 0.1, ((0.0, 0.0, 0.25, 0.5),)), Motion(1.5, 0.1, ((0.5, 0.5, 1.0, 1.0),))), 0.5
)


def hidden(seconds=0.0, track=TRACK, **given):
    return redact(PICTURE, seconds, options=RedactOptions(**given), track=track)


def changed(picture):
    return (picture != PICTURE).any(axis=2)


@pytest.mark.parametrize("style", ["pixelate", "blur", "black"])
def test_a_box_is_redacted_and_the_rest_is_unchanged(style):
    mask = changed(hidden(boxes=[(0.25, 0.5, 0.75, 1.0)], style=style))
    inside = np.zeros((60, 80), bool)
    inside[30:, 20:60] = True
    assert not mask[~inside].any()
    assert mask[inside].mean() > 0.95


def test_a_pixelated_area_has_few_values():
    area = hidden(boxes=[(0, 0, 0.5, 0.5)])[:30, :40]
    assert len(np.unique(area.reshape(-1, 3), axis=0)) <= 25


def test_a_moving_object_is_redacted_some_time_before_and_after():
    boxes = {s: changed(hidden(s, motion=True, margin=0, style="black")) for s in (0.4, 1.2, 2.6)}
    assert not boxes[2.6].any()
    assert boxes[0.4][:30, :20].mean() > 0.9
    assert boxes[1.2][:30, :20].mean() > 0.9
    assert boxes[1.2][30:, 40:].mean() > 0.9
    assert not boxes[1.2][:30, 40:].any()


def test_a_margin_enlarges_the_redacted_area():
    narrow = changed(hidden(1.0, motion=True, margin=0.0, style="black"))
    wide = changed(hidden(1.0, motion=True, margin=0.5, style="black"))
    assert (wide & narrow).sum() == narrow.sum() < wide.sum()


def test_without_redaction_the_frame_is_returned():
    assert hidden(1.0) is PICTURE


@given(
    st.tuples(*[st.floats(-0.5, 1.5) for _ in range(4)]),
    st.sampled_from(["pixelate", "blur", "black"]),
)
def test_any_box_can_be_redacted_and_outlined(box, style):
    left, top, right, bottom = box
    track = MotionTrack((Motion(0.0, 0.1, (box,)),), 0.5)
    mask = changed(hidden(0.0, track, motion=True, margin=0, style=style))
    rows = (np.arange(60) + 1 > top * 60) & (np.arange(60) < bottom * 60)
    columns = (np.arange(80) + 1 > left * 80) & (np.arange(80) < right * 80)
    assert not mask[~(rows[:, None] & columns)].any()
    assert not changed(outline(PICTURE, [box]))[~(rows[:, None] & columns)].any()


def test_an_outline_leaves_the_inside_unchanged():
    picture = outline(PICTURE, [(0.25, 0.25, 0.75, 0.75)])
    assert not changed(picture)[17:43, 22:58].any()
    assert changed(picture)[15, 20:60].all()
    assert outline(PICTURE, []) is PICTURE


def test_the_outline_is_that_of_the_nearest_look():
    assert TRACK.nearest(1.1) == TRACK.motions[0].boxes
    assert TRACK.nearest(5.0) == ()
