"""The queue between network and disk: bounded, and whole pictures only."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tam_video.video.live.connection import PacketBuffer


@dataclass(frozen=True)
class Piece:
    size: int
    is_keyframe: bool
    number: int = 0


def test_packets_come_out_in_order():
    buffer = PacketBuffer(100)
    for number in range(3):
        assert buffer.put(Piece(10, number == 0, number), 0.0)
    buffer.end("over")
    assert [buffer.get(0).packet.number for _ in range(3)] == [0, 1, 2]
    assert buffer.get(0) == "over"
    assert buffer.get(0) == "over"


def test_nothing_in_time_is_none():
    assert PacketBuffer(10).get(0.0) is None


def test_after_a_full_buffer_it_goes_on_with_a_keyframe():
    buffer = PacketBuffer(30)
    put = [buffer.put(Piece(10, n == 0, n), 0.0) for n in range(5)]
    assert put == [True, True, True, False, False]
    assert buffer.get(0).packet.number == 0
    assert not buffer.put(Piece(10, False, 5), 0.0)  # there is room, but it leans on a lost one
    assert buffer.put(Piece(10, True, 6), 0.0)
    kept = [buffer.get(0) for _ in range(3)]
    assert [each.packet.number for each in kept] == [1, 2, 6]
    assert [each.num_dropped for each in kept] == [0, 0, 3]


def test_a_packet_larger_than_the_buffer_passes_alone():
    assert PacketBuffer(5).put(Piece(50, True), 0.0)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.booleans()), max_size=60),
    st.integers(40, 100),
)
def test_it_never_holds_more_and_counts_all_that_it_drops(steps, limit):
    buffer, held, dropped, reported, is_broken = PacketBuffer(limit), [], 0, 0, False
    for number, (size, is_key, takes) in enumerate(steps):
        piece = Piece(size, is_key, number)
        is_broken = sum(p.size for p in held) + size > limit or (is_broken and not is_key)
        assert buffer.put(piece, 0.0) == (not is_broken)
        if is_broken:
            dropped += 1
        else:
            held.append(piece)
        assert sum(p.size for p in held) <= limit
        if takes and held:
            arrived = buffer.get(0)
            assert arrived.packet == held.pop(0)
            reported += arrived.num_dropped
    while held:
        arrived = buffer.get(0)
        assert arrived.packet == held.pop(0)
        reported += arrived.num_dropped
    assert reported <= dropped
    buffer.put(Piece(1, True), 0.0)
    assert reported + buffer.get(0).num_dropped == dropped
