from dataclasses import replace

import numpy as np
import pytest
from constructed import FPS, make_explanation, make_info, moving_maps, with_input
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.localise import estimated_frame_seconds, slot_timeline
from tam_video.localise.timeline import explained_range
from tam_video.types import Explanation, VisualLayout


def sampled(indices, pts_seconds, *, info, frames_per_slot=1) -> Explanation:
    """One word, a slot for every `frames_per_slot` frames."""
    slots = len(indices) // frames_per_slot
    maps = np.zeros((1, slots, 1, 1), np.float32)
    made = make_explanation(maps, info=info)
    return with_input(
        made,
        indices=np.asarray(indices, np.int64),
        pts_seconds=np.asarray(pts_seconds, np.float64),
        layout=VisualLayout(
            slots,
            1,
            1,
            tuple(
                tuple(range(slot * frames_per_slot, (slot + 1) * frames_per_slot))
                for slot in range(slots)
            ),
        ),
    )


def test_a_slot_boundary_is_halfway_between_the_nearest_frames():
    info = make_info(num_frames=40)
    explanation = sampled([2, 12, 14, 30], [0.2, 1.2, 1.4, 3.0], info=info, frames_per_slot=2)
    timeline = slot_timeline(explanation)
    np.testing.assert_allclose(timeline.slot_seconds, [0.7, 2.2])
    np.testing.assert_allclose(timeline.edges_seconds, [0.0, 1.3, 3.0])
    assert timeline.frame_slots[[0, 12, 13, 30]].tolist() == [0, 0, 1, 1]
    assert timeline.frame_slots[31:].tolist() == [-1] * 9


def test_a_frame_on_a_boundary_belongs_to_the_later_slot_despite_rounding():
    explanation = sampled([2, 4], [0.2, 0.4], info=make_info(num_frames=6))
    assert slot_timeline(explanation).frame_slots.tolist() == [0, 0, 0, 1, 1, 1]


@given(
    start=st.floats(0, 5),
    gaps=st.lists(st.integers(1, 9), min_size=1, max_size=9),
    after=st.integers(1, 40),
    per_slot=st.integers(1, 2),
)
@settings(max_examples=80, deadline=None)
def test_the_ends_are_those_of_the_drawn_heat(start, gaps, after, per_slot):
    indices = np.cumsum(gaps)
    indices = indices[: max(1, len(indices) // per_slot) * per_slot]
    if len(indices) < per_slot:
        per_slot = 1
    info = make_info(num_frames=int(indices[-1]) + after, start_seconds=start)
    explanation = sampled(indices, start + indices / FPS, info=info, frames_per_slot=per_slot)
    clip_end = start + info.duration_seconds
    range_start, range_end = explained_range(
        explanation, clip_start_seconds=start, clip_end_seconds=clip_end
    )
    timeline = slot_timeline(explanation)
    edges = timeline.edges_seconds
    first, last = explanation.pts_seconds[[0, -1]]
    assert edges[0] == pytest.approx(max(min(range_start, first), start))
    assert edges[-1] == pytest.approx(min(max(range_end, last), clip_end))
    assert (np.diff(edges) >= 0).all()
    for slot, frames in enumerate(explanation.layout.frame_slots):
        assert (timeline.frame_slots[explanation.indices[list(frames)]] == slot).all()


def test_slots_with_equal_times_have_their_boundary_there():
    explanation = sampled([3, 3], [0.3, 0.3], info=make_info(num_frames=6))
    assert slot_timeline(explanation).frame_slots.tolist() == [0, 0, 0, 1, 1, 1]


def test_a_single_frame_covers_the_whole_clip():
    explanation = sampled([3], [0.3], info=make_info(num_frames=6))
    assert slot_timeline(explanation).frame_slots.tolist() == [0] * 6


@pytest.mark.parametrize("duration", [0.0, 0.1])
def test_a_still_picture_has_one_slot(duration):
    info = replace(make_info(num_frames=1), duration_seconds=duration, is_image=True)
    assert slot_timeline(sampled([0], [0.0], info=info)).frame_slots.tolist() == [0]


def test_times_of_a_constant_rate_are_exact():
    info = make_info(num_frames=30, start_seconds=1.5)
    explanation = sampled([4, 20], [1.9, 3.5], info=info)
    np.testing.assert_allclose(estimated_frame_seconds(explanation), 1.5 + np.arange(30) / FPS)


def test_sampled_frames_of_a_variable_rate_keep_their_times():
    explanation = sampled([0, 3, 5], [0.0, 0.9, 1.0], info=make_info(num_frames=12))
    times = estimated_frame_seconds(explanation)
    np.testing.assert_allclose(times[[0, 3, 5]], [0.0, 0.9, 1.0])
    assert (np.diff(times) > 0).all()


def test_given_frame_times_are_used():
    times = np.concatenate([np.zeros(1), np.linspace(5, 6, 23)])
    explanation = make_explanation(moving_maps())
    assert np.array_equal(slot_timeline(explanation, frame_seconds=times).frame_seconds, times)
    with pytest.raises(ValueError, match=r"must have shape \[24\]"):
        slot_timeline(explanation, frame_seconds=times[1:])


@pytest.mark.parametrize(
    ("times", "frames_per_slot", "clip", "wanted"),
    [
        ([4.0, 4.5, 5.0, 5.5], 2, (0.0, 20.0), (3.75, 5.75)),
        ([0.5, 1.5, 2.5], 1, (-0.4, 3.4), (-0.4, 3.4)),  # an end less than a slot away
        ([0.5, 1.5, 2.5], 1, (-0.6, 3.6), (0.0, 3.0)),  # an end more than a slot away
        ([2.0, 2.0], 2, (0.0, 9.0), (0.0, 9.0)),  # one frame: the whole clip
        ([4.0, 5.0], 2, (0.0, 20.0), (3.5, 5.5)),  # one slot: its frames
    ],
)
def test_the_explained_range_extends_half_a_slot(times, frames_per_slot, clip, wanted):
    info = make_info(num_frames=len(times))
    explanation = sampled(range(len(times)), times, info=info, frames_per_slot=frames_per_slot)
    got = explained_range(explanation, clip_start_seconds=clip[0], clip_end_seconds=clip[1])
    start, end = got
    if len(set(times)) == 1:
        assert (start <= wanted[0], end >= wanted[1]) == (True, True)
    else:
        assert got == pytest.approx(wanted)
