"""When segments end, what is counted as lost, and when a camera is tried again."""

from __future__ import annotations

import inspect
from collections import deque
from contextlib import contextmanager
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from tam_video.errors import EncodeError, VideoOpenError
from tam_video.video.live import follow
from tam_video.video.live.connection import Arrived
from tam_video.video.live.follow import FollowOptions, FollowStatistics, StreamFollower

TICKS = 100  # a second
STEP = 25
GIBIBYTE = 1 << 30
ADDRESS = SimpleNamespace(shown="http://camera/x")


class Writer:
    """Notes the packets of a segment; each lasts a quarter of a second."""

    made: list[Writer]

    def __init__(self, folder, stream):
        self.ticks, self.is_abandoned = [], False
        self.made.append(self)

    @property
    def num_frames(self):
        return len(self.ticks)

    @property
    def duration_seconds(self):
        return (self.ticks[-1] - self.ticks[0] + STEP) / TICKS

    def write(self, packet):
        self.ticks.append(packet.dts)

    def finish(self, camera, started, **facts):
        self.facts, self.started = facts, started
        return SimpleNamespace(
            duration_seconds=self.duration_seconds, num_frames=self.num_frames, **facts
        )

    def abandon(self):
        self.is_abandoned = True


@pytest.fixture
def writers(monkeypatch):
    monkeypatch.setattr(Writer, "made", [], raising=False)
    monkeypatch.setattr(follow, "SegmentWriter", Writer)
    return Writer.made


def packet(ticks, *, is_keyframe=False, delay=0.0, dropped=0):
    return Arrived(
        SimpleNamespace(dts=ticks, is_keyframe=is_keyframe), 1000 + ticks / TICKS + delay, dropped
    )


def steady(start, count, *, keyframes):
    """Packets each 0.25 s, every so many a keyframe."""
    return [packet(start + STEP * k, is_keyframe=k % keyframes == 0) for k in range(count)]


def record(follower, arrivals):
    """Record packets, then the end of the stream."""
    waiting = deque([*arrivals, None, "over"])
    buffer = SimpleNamespace(get=lambda _: waiting.popleft())
    connection = SimpleNamespace(buffer=buffer, time_base=Fraction(1, TICKS), stream=None)
    return follow._Recording(follower, connection).run()


def follower(folder=Path("none"), *, first_wait_seconds=0.5, **options):
    done = []
    made = StreamFollower(
        ADDRESS,
        folder,
        options=FollowOptions(**{"min_free_gibibytes": 0.0, "max_gibibytes": None} | options),
        on_segment=done.append,
        first_wait_seconds=first_wait_seconds,
    )
    return made, done


@pytest.mark.parametrize(
    ("keyframes", "lengths"), [(8, [8, 8, 4]), (7, [14, 6]), (9, [9, 9, 2]), (1, [8, 8, 4])]
)
def test_a_segment_ends_at_the_first_keyframe_after_its_length(writers, keyframes, lengths):
    recorder, done = follower(segment_seconds=2.0)

    assert record(recorder, steady(0, 20, keyframes=keyframes)) == "over"

    assert [each.num_frames for each in writers] == lengths
    assert [each.num_frames for each in done] == lengths
    assert [each.is_first for each in done] == [True] + [False] * (len(lengths) - 1)
    assert all(each.gap is None for each in done)
    statistics = recorder.statistics
    assert (statistics.num_segments, statistics.num_frames, statistics.num_dropped) == (
        len(lengths),
        20,
        0,
    )
    assert statistics.missing_seconds == 0


def test_a_stream_without_keyframes_is_cut_and_lost_up_to_the_next_one(writers):
    recorder, done = follower(segment_seconds=0.5)

    record(recorder, [*steady(0, 24, keyframes=99), *steady(24 * STEP, 3, keyframes=99)])

    # 10 times 0.5 s are 20 packets; 4 are lost.
    assert [each.num_frames for each in done] == [20, 3]
    assert done[1].gap.reason == "no keyframe for a long time"
    assert done[1].gap.seconds == pytest.approx(1.0)
    assert done[1].num_dropped == recorder.statistics.num_dropped == 4
    assert recorder.statistics.num_gaps == 1
    assert recorder.statistics.missing_seconds == pytest.approx(1.0)


def test_packets_before_the_first_keyframe_are_dropped_without_a_gap(writers):
    recorder, done = follower()

    record(recorder, [packet(0), packet(STEP), *steady(2 * STEP, 3, keyframes=99)])

    assert [(each.num_frames, each.num_dropped, each.gap) for each in done] == [(3, 2, None)]
    assert writers[0].ticks == [50, 75, 100]


def test_packets_that_the_disk_was_too_slow_for_leave_a_gap(writers):
    recorder, done = follower()

    late = [packet(200, is_keyframe=True, dropped=4), packet(225)]
    record(recorder, [*steady(0, 4, keyframes=99), *late])

    assert [each.num_frames for each in done] == [4, 2]
    assert (done[1].gap.reason, done[1].gap.seconds) == ("the disk was too slow", 1.0)
    assert [each.num_dropped for each in done] == [0, 4]
    assert recorder.statistics.num_dropped == 4


@pytest.mark.parametrize(
    ("ticks", "is_jump"),
    [(25 + 999, False), (25 + 1000, True), (25 - 99, False), (25 - 100, True)],
)
def test_a_jump_of_the_clock_begins_a_new_file(writers, ticks, is_jump):
    recorder, done = follower()

    record(recorder, [packet(0, is_keyframe=True), packet(25), packet(ticks, is_keyframe=True)])

    assert len(done) == 1 + is_jump
    reasons = [each.gap and each.gap.reason for each in done]
    assert reasons == [None] + ["the camera's clock jumped"] * is_jump


def test_a_gap_lasts_from_the_end_of_a_segment_by_the_shortest_delays(writers):
    recorder, done = follower()
    first = [packet(0, is_keyframe=True, delay=0.5), packet(25, delay=0.25), packet(50, delay=0.75)]

    record(recorder, first)  # from 1000.25 to 1001
    recorder.drop(0, "an outage")
    recorder.drop(0, "another reason")
    record(recorder, [packet(900, is_keyframe=True, delay=1.5), packet(925, delay=1.0)])

    assert done[1].gap.reason == "an outage"
    assert done[1].gap.seconds == 9.0
    assert recorder.statistics.missing_seconds == 9.0


def test_segments_are_dated_by_the_arrival_of_their_first_packet(writers, monkeypatch):
    monkeypatch.setattr(follow.time, "monotonic", lambda: 1100.0)
    recorder, _ = follower()

    record(recorder, [packet(500, is_keyframe=True, delay=0.5)])

    age = datetime.now(UTC) - writers[0].started
    assert age.total_seconds() == pytest.approx(1100 - 1005.5, abs=1)


def test_a_segment_that_cannot_be_finished_is_abandoned(writers, monkeypatch):
    def fail(*_args, **_facts):
        raise EncodeError("the disk is full")

    monkeypatch.setattr(Writer, "finish", fail)
    recorder, done = follower()
    with pytest.raises(EncodeError):
        record(recorder, steady(0, 2, keyframes=1))
    assert (done, writers[0].is_abandoned) == ([], True)


def test_a_recording_stops_when_it_is_told_to(writers):
    recorder, done = follower()
    recorder.stop.set()
    assert record(recorder, steady(0, 2, keyframes=1)) == "stopped"
    assert done == []


class Time:
    """A clock that waiting moves."""

    def __init__(self):
        self.now, self.waits = 20.0, []

    def monotonic(self):
        return self.now

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Time()
    monkeypatch.setattr(follow, "time", made)
    return made


def unreachable(clock, monkeypatch, folder, **options):
    """A follower of a camera that refuses each connection after a second."""

    @contextmanager
    def connected(*_args, **_options):
        clock.now += 1
        raise VideoOpenError("refused")
        yield

    monkeypatch.setattr(follow, "connected", connected)
    made, _ = follower(folder, **options)
    made.stop = SimpleNamespace(is_set=lambda: False, wait=clock.wait)
    return made


def test_waits_grow_with_the_outage_between_their_bounds(clock, monkeypatch, tmp_path):
    made = unreachable(
        clock,
        monkeypatch,
        tmp_path,
        first_wait_seconds=1.5,
        longest_wait_seconds=3.0,
        give_up_seconds=40,
    )
    with pytest.raises(VideoOpenError, match=r"no packets from http://camera/x for 4\d seconds"):
        made.run()
    outage, expected = 0.0, []
    while (outage := outage + 1) <= 40:
        expected.append(min(3.0, max(1.5, outage / 10)))
        outage += expected[-1]
    assert clock.waits == pytest.approx(expected)
    assert made.statistics.num_connections == 0


def test_a_wait_ends_with_the_duration(clock, monkeypatch, tmp_path):
    made = unreachable(clock, monkeypatch, tmp_path, first_wait_seconds=3.0, duration_seconds=7.5)
    assert made.run().num_frames == 0
    assert clock.waits == [3.0, 2.5]
    assert clock.now == 27.5


def test_an_outage_counts_from_the_last_frames(clock, monkeypatch, tmp_path, writers):
    options = []

    @contextmanager
    def connected(_address, **given):
        options.append(given)
        clock.now += 4
        if len(options) == 3:
            raise VideoOpenError("refused")
        yield SimpleNamespace()

    class Recording:
        def __init__(self, owner, _connection):
            self.owner = owner

        def run(self):
            self.owner.statistics.num_frames += 5 if len(options) == 1 else 0
            return "hung up"

    monkeypatch.setattr(follow, "connected", connected)
    monkeypatch.setattr(follow, "_Recording", Recording)
    made, _ = follower(
        tmp_path,
        give_up_seconds=9.0,
        first_wait_seconds=1.0,
        open_seconds=3.0,
        read_seconds=2.0,
        buffer_mebibytes=7,
    )
    made.stop = SimpleNamespace(is_set=lambda: False, wait=clock.wait)
    # 0 s after the first connection, 5 s after the second, 10 s after the third.
    with pytest.raises(VideoOpenError, match="for 10 seconds: refused"):
        made.run()
    assert clock.waits == [1.0, 1.0]
    assert made.statistics.num_connections == 2
    assert options[0] == {"open_seconds": 3.0, "read_seconds": 2.0, "max_bytes": 7 << 20}


def stored(folder, monkeypatch, *sizes):
    """Segments of these sizes, the oldest first."""
    segments = [SimpleNamespace(path=folder / f"{k}.mp4") for k in range(len(sizes))]
    for segment, size in zip(segments, sizes, strict=True):
        segment.path.write_bytes(bytes(size))
    monkeypatch.setattr(
        follow, "recorded_segments", lambda _: [s for s in segments if s.path.exists()]
    )
    monkeypatch.setattr(follow, "remove_segment", lambda segment: segment.path.unlink())


@pytest.mark.parametrize(
    ("max_bytes", "kept"),
    [(60, "0123"), (59, "123"), (50, "123"), (49, "23"), (1, "3"), (None, "0123")],
)
def test_the_oldest_segments_make_room_and_the_newest_stays(
    tmp_path, monkeypatch, writers, max_bytes, kept
):
    stored(tmp_path, monkeypatch, 10, 20, 20, 10)
    recorder, _ = follower(tmp_path, max_gibibytes=max_bytes and max_bytes / GIBIBYTE)
    record(recorder, steady(0, 1, keyframes=1))
    assert "".join(sorted(path.stem for path in tmp_path.iterdir())) == kept
    assert recorder.statistics.num_removed == 4 - len(kept)


@pytest.mark.parametrize(("free", "kept"), [(100, "0123"), (101, "123"), (111, "23")])
def test_the_oldest_segments_make_room_on_the_disk(tmp_path, monkeypatch, writers, free, kept):
    stored(tmp_path, monkeypatch, 10, 20, 20, 10)
    monkeypatch.setattr(
        follow.shutil,
        "disk_usage",
        lambda folder: SimpleNamespace(free=100 + 10 * (4 - len(list(folder.iterdir())))),
    )
    recorder, _ = follower(tmp_path, min_free_gibibytes=free / GIBIBYTE)
    record(recorder, steady(0, 1, keyframes=1))
    assert "".join(sorted(path.stem for path in tmp_path.iterdir())) == kept


def test_unfinished_files_of_a_killed_recording_are_removed(clock, monkeypatch, tmp_path):
    for name in (".1-ab.partial", "note.partial", "a.mp4"):
        (tmp_path / name).write_text("")
    unreachable(clock, monkeypatch, tmp_path, duration_seconds=0.5).run()
    assert {path.name for path in tmp_path.iterdir()} == {"note.partial", "a.mp4"}
    nested = tmp_path / "one" / "two"
    unreachable(clock, monkeypatch, nested, duration_seconds=0.5).run()
    assert nested.is_dir()


def test_a_follower_is_made_of_what_the_caller_decides_and_starts_at_0():
    names = "address folder camera options on_segment stop statistics first_wait_seconds"
    assert " ".join(inspect.signature(StreamFollower).parameters) == names
    made = StreamFollower(ADDRESS, Path("none"))
    assert (made.camera, made.options, made.first_wait_seconds) == ("camera", FollowOptions(), 0.5)
    assert made.statistics == FollowStatistics(0, 0, 0, 0, 0, 0.0, 0)
    assert not made.is_over()
    made.on_segment(None)
