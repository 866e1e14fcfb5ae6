"""Seeking, skipping and damage, with packets and a decoder that are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from av.error import InvalidDataError

from tam_video.video.container import NEVER, PacketTable
from tam_video.video.cursor import Cursor, SeekTarget, sound_frames
from tam_video.video.frame_index import FrameIndex, index_of_packets


@dataclass
class Packet:
    pts: int | None
    is_keyframe: bool = False
    size: int = 10
    is_damaged: bool = False  # the decoder refuses it
    is_corrupt: bool = False  # the decoder marks its frame

    @property
    def dts(self):
        return self.pts


@dataclass
class Stream:
    """Returns a frame for each packet, and notes how packets were decoded."""

    codec_context: SimpleNamespace = field(default_factory=SimpleNamespace)
    decoded: list = field(default_factory=list)

    def decode(self, packet):
        self.decoded.append((packet and packet.pts, self.codec_context.skip_frame))
        if packet is None:
            return []
        if packet.is_damaged:
            raise InvalidDataError(1, "damaged")
        return [SimpleNamespace(pts=packet.pts, is_corrupt=packet.is_corrupt)]


class Container:
    """Demuxes its packets from the keyframe of the last seek, `late` keyframes too late."""

    def __init__(self, packets, *, late=0):
        self.packets, self.late, self.start, self.seeks = packets, late, 0, []

    def seek(self, ticks, *, stream):
        self.seeks.append(ticks)
        keys = [n for n, packet in enumerate(self.packets) if packet.is_keyframe]
        rank = sum(self.packets[n].pts <= ticks for n in keys) - 1
        self.start = keys[min(rank + self.late, len(keys) - 1)]

    def demux(self, stream):
        return iter(self.packets[self.start :])


def group(count, *, every, **changes):
    """Packets at 0, 1, 2, ... with a keyframe each few packets."""
    return [Packet(pts, pts % every == 0, **changes) for pts in range(count)]


def table_of(packets):
    count = len(packets)
    return PacketTable(
        pts=np.array([NEVER if p.pts is None else p.pts for p in packets], np.int64),
        sizes=np.array([p.size for p in packets], np.int64),
        durations=np.zeros(count, np.int64),
        is_keyframe=np.array([p.is_keyframe for p in packets]),
        is_shown=np.ones(count, np.bool_),
        has_times=True,
        is_cut=False,
    )


def sound(packets, *, table=None, stream=None, **options):
    table = table or table_of(packets)
    frames = sound_frames(Container(packets), stream or Stream(), table=table, **options)
    return [frame.pts for frame in frames]


@pytest.mark.parametrize(
    ("ticks", "pts", "passes"),
    [(5, 4, True), (5, 5, False), (5, 6, False), (None, 4, False), (5, None, False)],
)
def test_a_packet_passes_if_its_frame_comes_before_the_target(ticks, pts, passes):
    assert SeekTarget(ticks).passes(Packet(pts)) is passes


@pytest.mark.parametrize(
    ("ticks", "is_last", "pts", "ends"),
    [
        (5, True, 5, True),
        (5, False, 5, False),
        (5, True, 4, False),
        (5, True, 6, False),
        (None, True, None, False),
    ],
)
def test_decoding_ends_at_the_packet_of_the_last_target(ticks, is_last, pts, ends):
    assert SeekTarget(ticks, is_last).ends_at(Packet(pts)) is ends


def test_all_packets_of_the_table_are_decoded_and_no_more():
    packets = group(8, every=4)
    stream = Stream()
    assert sound(packets, table=table_of(packets[:6]), stream=stream) == [0, 1, 2, 3, 4, 5]
    assert stream.decoded == [*((n, "DEFAULT") for n in range(6)), (None, "DEFAULT")]


def test_frames_before_the_target_are_skipped_and_those_after_it_are_not_read():
    stream = Stream()
    frames = sound(group(8, every=8), stream=stream, target=SeekTarget(3, is_last=True))
    assert frames == [0, 1, 2, 3]
    idle = [(n, "NONREF") for n in range(3)]
    assert stream.decoded == [*idle, (3, "DEFAULT"), (None, "DEFAULT")]


def test_without_a_last_target_decoding_continues():
    stream = Stream()
    assert sound(group(5, every=8), stream=stream, target=SeekTarget(2)) == [0, 1, 2, 3, 4]
    assert stream.decoded[1:4] == [(1, "NONREF"), (2, "DEFAULT"), (3, "DEFAULT")]


@pytest.mark.parametrize("kind", ["is_damaged", "is_corrupt"])
def test_frames_after_damage_are_skipped_up_to_the_next_keyframe(kind):
    packets = group(16, every=4)
    setattr(packets[5], kind, True)
    assert sound(packets) == [0, 1, 2, 3, 4, *range(8, 16)]


def test_damage_in_two_places_skips_two_parts():
    packets = group(20, every=4)
    packets[1].is_damaged = packets[4].is_damaged = packets[13].is_corrupt = True
    assert sound(packets) == [0, *range(8, 13), *range(16, 20)]


def test_a_keyframe_counts_when_its_own_frame_is_returned():
    """The decoder returns frames late: those before the keyframe are still damaged."""

    class Late(Stream):
        def decode(self, packet):
            self.held.extend(super().decode(packet))
            keep = 0 if packet is None else 2
            out, self.held = self.held[: len(self.held) - keep], self.held[-keep:] if keep else []
            return out

    packets = group(12, every=4)
    packets[2].is_damaged = True
    stream = Late()
    stream.held = []
    assert sound(packets, stream=stream) == [4, *range(5, 12)]


def test_a_corrupt_frame_does_not_forget_a_keyframe_that_was_read():
    packets = group(8, every=4)
    packets[1].is_damaged = packets[2].is_corrupt = packets[3].is_corrupt = True
    assert sound(packets) == [0, 4, 5, 6, 7]


def test_after_a_seek_packets_up_to_a_known_keyframe_are_skipped():
    packets = group(12, every=4)
    table = table_of(packets)
    before = [Packet(2), Packet(None, is_keyframe=True), Packet(3, is_keyframe=True)]
    assert sound([*before, *packets[4:]], table=table, latest=8) == list(range(4, 12))


def test_a_seek_that_lands_behind_the_keyframe_gives_nothing():
    packets = group(12, every=4)
    assert sound(packets[8:], table=table_of(packets), latest=4) == []
    assert sound(packets[4:], table=table_of(packets), latest=4) == list(range(4, 12))


@pytest.mark.parametrize("change", [{"size": 11}, {"pts": 99}, {"pts": None}])
def test_packets_that_do_not_match_the_table_end_the_decoding(change):
    packets = group(12, every=4)
    table = table_of(packets)
    for name, value in change.items():
        setattr(packets[6], name, value)
    assert sound(packets[4:], table=table, latest=4) == [4, 5]


def test_after_a_seek_no_packet_is_read_past_the_table():
    packets = group(10, every=4)
    assert sound(packets[4:], table=table_of(packets[:7]), latest=4) == [4, 5, 6]


def test_the_last_of_equal_keyframes_is_meant():
    packets = [Packet(0, is_keyframe=True), Packet(0, is_keyframe=True), Packet(1), Packet(2)]
    assert sound(packets[1:], table=table_of(packets), latest=1) == [0, 1, 2]


def cursor_over(packets, *, late=0, **options):
    container, stream = Container(packets, late=late), Stream()
    index = index_of_packets(table_of([each for each in packets if each.size]))
    return Cursor(container, stream, index, **options), container, stream


def pts_of(frame):
    return frame and frame.pts


def test_near_frames_are_reached_forward_and_far_ones_by_a_seek():
    cursor, container, stream = cursor_over(group(40, every=10))
    assert pts_of(cursor.find(2, following=11)) == 2
    assert pts_of(cursor.find(11, following=35)) == 11
    assert container.seeks == [10]
    assert pts_of(cursor.find(35)) == 35
    assert container.seeks == [10, 30]
    read = [pts for pts, _ in stream.decoded if pts is not None]
    assert read == [0, 1, 2, 10, 11, *range(30, 36)]


def test_a_neighbour_in_the_next_group_is_reached_without_a_seek():
    cursor, container, _ = cursor_over(group(40, every=10))
    assert pts_of(cursor.find(9, following=10)) == 9
    assert pts_of(cursor.find(10)) == 10
    assert container.seeks == []


def test_frames_in_order_need_no_seek():
    cursor, container, _ = cursor_over(group(30, every=3))
    frames = [cursor.find(n, following=n + 1 if n < 29 else None) for n in range(30)]
    assert [pts_of(frame) for frame in frames] == list(range(30))
    assert container.seeks == []


def test_a_seek_that_lands_late_is_repeated_further_back_and_later_ones_start_there():
    cursor, container, _ = cursor_over(group(100, every=5), late=1)
    assert pts_of(cursor.find(52, following=77)) == 52
    assert container.seeks == [50, 45]
    assert pts_of(cursor.find(77)) == 77
    assert container.seeks == [50, 45, 70]


@pytest.mark.parametrize(
    ("late", "seeks"),
    [(2, [50, 45, 40]), (3, [50, 45, 40, 30]), (8, [50, 45, 40, 30, 10])],
)
def test_the_steps_back_grow(late, seeks):
    cursor, container, _ = cursor_over(group(100, every=5), late=late)
    assert pts_of(cursor.find(52)) == 52
    assert container.seeks == seeks


def test_seeking_gives_up_after_eight_keyframes_or_at_the_start():
    cursor, container, _ = cursor_over(group(100, every=5), late=9)
    assert cursor.find(52) is None
    assert container.seeks == [50, 45, 40, 30, 10]
    cursor, container, _ = cursor_over(group(100, every=5), late=4)
    assert cursor.find(12) is None
    assert container.seeks == [10, 5, 0]


def test_a_frame_that_is_missing_is_not_replaced_by_the_next_one():
    packets = group(8, every=8)
    packets[3].is_damaged = True
    cursor, _, _ = cursor_over(packets, seeks=False)
    assert pts_of(cursor.find(2, following=4)) == 2
    assert cursor.find(4) is None


def test_without_seeks_everything_is_decoded_from_the_start():
    cursor, container, stream = cursor_over(group(30, every=5), seeks=False)
    assert pts_of(cursor.find(27)) == 27
    assert container.seeks == []
    assert stream.decoded == [(n, "DEFAULT") for n in range(28)]


def test_counted_frames_are_numbered_by_their_order():
    packets = group(6, every=6)
    table = table_of(packets)
    for packet in packets:
        packet.pts = None
    index = FrameIndex(
        ticks=np.arange(6), is_keyframe=table.is_keyframe, table=table, is_counted=True
    )
    cursor = Cursor(Container(packets), Stream(), index)
    frames = [cursor.find(n, following=n + 1) for n in (0, 3)]
    assert all(frames)
    assert cursor.find(6) is None
    assert cursor._at == 5


def test_frames_of_unknown_times_are_passed_over():
    packets = group(6, every=6)
    index = index_of_packets(table_of([packets[0], *packets[2:]]))
    cursor = Cursor(Container(packets[:5]), Stream(), index, seeks=False)
    assert pts_of(cursor.find(1)) == 2
