"""Frame numbers, keyframes and durations from packets."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tam_video.video.container import PacketTable
from tam_video.video.frame_index import FrameIndex, index_of_packets, last_duration


def make_table(
    pts: list[int], keys: list[int], *, hidden: int = 0, durations: list[int] | None = None
) -> PacketTable:
    count = len(pts)
    return PacketTable(
        pts=np.array(pts, np.int64),
        sizes=np.full(count, 100, np.int64),
        durations=np.array(durations or [0] * count, np.int64),
        is_keyframe=np.isin(np.arange(count), keys),
        is_shown=np.arange(count) >= hidden,
        has_times=True,
        is_cut=False,
    )


def test_frames_are_numbered_in_display_order() -> None:
    index = index_of_packets(make_table([0, 6, 2, 4, 8, 14, 10, 12], keys=[0, 4]))
    assert index.ticks.tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    assert np.flatnonzero(index.is_keyframe).tolist() == [0, 4]
    assert index.timeline(Fraction(1, 2)).pts_seconds.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_hidden_packets_have_no_number_but_decoding_starts_there() -> None:
    index = index_of_packets(make_table([-4, -2, 0, 2, 4, 6], keys=[0, 4], hidden=2))
    assert index.ticks.tolist() == [0, 2, 4, 6]
    assert index.keyframe_index(0) == 0
    assert index.keyframe_index(1) == 0
    assert index.keyframe_index(2) == 4
    assert index.keyframe_index(2, steps_back=1) == 0
    assert index.keyframe_index(2, steps_back=9) == 0


def test_only_exact_times_have_a_number() -> None:
    index = index_of_packets(make_table([0, 2, 4], keys=[0]))
    assert [index.number_at(ticks) for ticks in (0, 2, 4, 3, -1, 5, None)] == [
        *(0, 1, 2),
        *(None, None, None, None),
    ]


def test_a_seek_pays_only_across_a_keyframe() -> None:
    index = index_of_packets(make_table(list(range(10)), keys=[0, 5]))
    assert index.has_keyframe_between(2, 5)
    assert index.has_keyframe_between(2, 9)
    assert not index.has_keyframe_between(2, 4)
    assert not index.has_keyframe_between(5, 9)


def test_last_duration_is_stored_or_that_of_the_neighbours_or_the_rate() -> None:
    stored = index_of_packets(make_table([0, 4, 2], keys=[0], durations=[2, 7, 2]))
    assert last_duration(stored, frame_ticks=3) == 7
    silent = index_of_packets(make_table([0, 2, 4, 6, 50], keys=[0]))
    assert last_duration(silent, frame_ticks=3) == 2
    alone = index_of_packets(make_table([5], keys=[0]))
    assert last_duration(alone, frame_ticks=3) == 3


@given(st.integers(1, 60), st.integers(0, 2**31))
def test_the_entry_is_the_last_keyframe_shown_no_later(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = [0, *np.flatnonzero(rng.random(count) < 0.2).tolist()]
    index: FrameIndex = index_of_packets(make_table(list(range(count)), keys=keys))
    for frame in range(count):
        assert index.keyframe_index(frame) == max(key for key in keys if key <= frame)


def test_keyframes_are_sought_by_their_times() -> None:
    index = index_of_packets(make_table([0, 9, 3, 6, 12, 30, 24, 27], keys=[0, 1, 5]))
    assert index.ticks.tolist() == [0, 3, 6, 9, 12, 24, 27, 30]
    assert index.is_keyframe.tolist() == [*(True, False, False, True), *(False,) * 3, True]
    assert [index.keyframe_index(n) for n in range(8)] == [0, 0, 0, 1, 1, 1, 1, 5]
    assert [index.keyframe_index(7, steps_back=n) for n in range(4)] == [5, 1, 0, 0]


def test_decoding_starts_at_the_first_packet_where_no_keyframe_comes_before() -> None:
    index = index_of_packets(make_table([4, 0, 2], keys=[0]))
    assert index.keyframe_index(0) == 0
    index = index_of_packets(make_table([0, 2, 4, 6], keys=[2]))
    assert [index.keyframe_index(n) for n in range(4)] == [0, 0, 2, 2]


def test_frames_of_a_seek_are_those_after_the_first_number() -> None:
    index = index_of_packets(make_table(list(range(6)), keys=[0, 3]))
    assert [index.has_keyframe_between(after, 3) for after in (-1, 0, 2, 3)] == [
        *(True, True, True, False)
    ]
    assert index.has_keyframe_between(-1, 0)
    assert not index.has_keyframe_between(0, 2)
    assert len(index) == 6


def test_times_are_ticks_times_the_time_base() -> None:
    index = index_of_packets(make_table([0, 1001, 2002], keys=[0]))
    assert index.timeline(Fraction(1, 30_000)).pts_seconds.tolist() == [
        *(0, 1001 / 30_000, 2002 / 30_000)
    ]
    assert index.timeline(Fraction(3, 7)).pts_seconds.tolist() == [0, 429, 858]
    assert not index.is_counted


def test_the_last_duration_is_not_that_of_a_hidden_or_another_packet() -> None:
    table = make_table([4, 0, 2, 4], keys=[0], hidden=1, durations=[9, 8, 7, 5])
    assert last_duration(index_of_packets(table), frame_ticks=3) == 5
    silent = index_of_packets(make_table([0, 3, 10], keys=[0], durations=[1, 1, 0]))
    assert last_duration(silent, frame_ticks=3) == 5
    one = index_of_packets(make_table([0, 1], keys=[0], durations=[5, 1]))
    assert last_duration(one, frame_ticks=3) == 1


def test_stored_durations_are_not_used_for_counted_frames() -> None:
    table = make_table([0, 2, 4], keys=[0], durations=[9, 9, 9])
    for ticks, expected in (([0, 2, 4], 2), ([0, 4], 4), ([4], 3)):
        index = FrameIndex(
            ticks=np.array(ticks, np.int64),
            is_keyframe=np.ones(len(ticks), np.bool_),
            table=table,
            is_counted=True,
        )
        assert last_duration(index, frame_ticks=3) == expected
