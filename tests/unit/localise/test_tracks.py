import numpy as np
import pytest
from constructed import blobs, make_explanation, make_info, make_input, moving_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tam_video.localise import (
    Placement,
    slot_timeline,
    subject_track,
    track_map,
    word_tracks,
)
from tam_video.types import View


def track_of(maps, **options):
    explanation = make_explanation(maps[None], **options)
    return word_tracks(explanation)[0]


def slow_component(mask, start):
    """Cells reached from `start` by steps to any of the 26 neighbours."""
    component, front = {start}, [start]
    while front:
        cell = front.pop()
        for step in np.ndindex(3, 3, 3):
            near = tuple(c + s - 1 for c, s in zip(cell, step, strict=True))
            inside = all(0 <= c < n for c, n in zip(near, mask.shape, strict=True))
            if inside and near not in component and mask[near]:
                component.add(near)
                front.append(near)
    return component


def test_the_track_is_the_component_of_the_peak():
    track = track_of(moving_maps()[0])
    assert sorted(set(np.nonzero(track.mask)[0].tolist())) == [1, 2, 3]
    assert (track.peak.slot, track.peak.row, track.peak.column) == (2, 0, 2)
    assert track.peak.value == 1.0
    assert track.span_seconds == pytest.approx((0.3, 1.6))
    assert [(each.slot, each.first_frame, each.last_frame) for each in track.stretches] == [
        (1, 3, 6),
        (2, 7, 11),
        (3, 12, 15),
    ]
    assert track.boxes.tolist()[1:4] == [[15, 0, 45, 20], [30, 0, 60, 20], [45, 0, 75, 20]]
    assert track.energy_share == pytest.approx(1 - 0.8 / track.energy.sum(), rel=1e-6)


def test_all_hot_cells_may_be_kept():
    explanation = make_explanation(moving_maps())
    track = word_tracks(explanation, keep="all")[0]
    assert np.array_equal(track.mask, explanation.word_maps[0] > track.threshold)
    assert [len(span) for span in track.spans_seconds] == [2, 2]
    assert track.span_seconds == (track.spans_seconds[0][0], track.spans_seconds[1][1])
    assert track.energy_share == pytest.approx(1.0)


@given(
    heat=hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=4),
        elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    )
)
@settings(max_examples=60, deadline=None)
def test_a_track_is_connected_and_its_properties_agree(heat):
    track = track_of(heat)
    hot = heat > track.threshold
    if heat.min() == heat.max():
        assert track.is_empty
        assert track.peak is None
        assert track.span_seconds is None
        assert not track.mask.any()
        assert track.stretches == ()
        return
    peak = (track.peak.slot, track.peak.row, track.peak.column)
    assert heat[peak] == heat.max()
    assert set(zip(*np.nonzero(track.mask), strict=True)) == slow_component(hot, peak)
    for slot, mask in enumerate(track.mask):
        assert (track.boxes[slot, 2] > 0) == mask.any()
        pixels = track.pixel_mask(slot)
        ys, xs = np.nonzero(pixels)
        if len(xs):
            box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert track.boxes[slot].tolist() == box
            x, y = track.centroids[slot]
            assert box[0] <= x <= box[2]
            assert box[1] <= y <= box[3]
        else:
            assert np.isnan(track.centroids[slot]).all()
    for frame, slot in enumerate(track.timeline.frame_slots.tolist()):
        box = track.box_at(frame)
        assert box is None or list(box) == track.boxes[slot].tolist()
        assert track.frame_boxes[frame].tolist() == list(box or (0, 0, 0, 0))
    listed = [
        frame for each in track.stretches for frame in range(each.first_frame, each.last_frame + 1)
    ]
    assert listed == np.flatnonzero(track.frame_boxes[:, 2]).tolist()
    assert 0 <= track.energy_share <= 1 + 1e-6


def test_the_centroid_is_weighted_by_the_values():
    heat = np.zeros((1, 1, 4), np.float32)
    heat[0, 0, 2:] = 1.0, 0.5
    track = track_of(heat, info=make_info(width=80, height=20))
    assert track.centroids[0] == pytest.approx(((50 * 1.0 + 70 * 0.5) / 1.5, 10.0))


def test_padding_is_never_hot():
    heat = blobs((1, 4, 4), [(0, 0, 1), (0, 2, 2)])
    heat[0, 2, 2] = 0.7
    view = View(0.0, -0.5, 1.0, 1.5)  # rows 0 and 3 lie on padding
    track = track_of(heat, view=view)
    assert (track.peak.row, track.peak.column) == (2, 2)
    assert track.mask.sum() == 1
    assert track.energy.tolist() == pytest.approx([1.7])
    assert track.energy_share == pytest.approx(0.7 / 1.7)


def test_a_map_without_a_pixel_in_the_picture_has_no_track():
    track = track_of(blobs((1, 2, 2), [(0, 0, 0)]), view=View(-1.0, 0.0, 0.001, 1.0))
    assert track.is_empty
    assert track.peak is None


def test_each_input_has_tracks_of_its_own():
    other = make_input(moving_maps()[:, ::-1].copy(), info=make_info(width=160, height=120))
    explanation = make_explanation(moving_maps(), others=[other])
    tracks = [word_tracks(explanation, number)[0] for number in (0, 1)]
    assert [track.placement.width for track in tracks] == [90, 160]
    assert [track.slots.tolist() for track in tracks] == [[1, 2, 3], [2, 3, 4]]
    with pytest.raises(ValueError, match="no input 2"):
        word_tracks(explanation, 2)


def test_tracks_of_words_and_tokens_agree():
    explanation = make_explanation(moving_maps(2))
    word, token, all_words = (
        subject_track(explanation, word=1),
        subject_track(explanation, token=1),
        word_tracks(explanation),
    )
    assert (word.word_index, word.token_index) == (1, None)
    assert (token.word_index, token.token_index) == (None, 1)
    for track in (token, all_words[1]):
        assert np.array_equal(track.boxes, word.boxes)
    assert repr(word) == "WordTrack('word1', 0.30-1.60 s, 12 cells)"
    with pytest.raises(ValueError, match="no word 2"):
        subject_track(explanation, word=2)
    with pytest.raises(ValueError, match="no token -1"):
        subject_track(explanation, token=-1)


@pytest.mark.parametrize("broken", [np.full((2, 3, 3), np.nan, np.float32), np.zeros((2, 3), "f4")])
def test_a_broken_map_is_refused(broken):
    explanation = make_explanation(np.zeros((1, 2, 3, 3), np.float32))
    with pytest.raises(ValueError, match=r"finite|must have"):
        track_map(broken, Placement.of(explanation), slot_timeline(explanation))
    with pytest.raises(ValueError, match="'peak' or 'all'"):
        word_tracks(explanation, keep="some")
