"""Segments: copied packets, finished when they have their name."""

import json
import os
import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from benchmarks.live_server import coded_frames, read_numbers
from tam_video.errors import EncodeError
from tam_video.video.live import Gap, Segment, read_segment, recorded_segments
from tam_video.video.live.segments import SegmentWriter, remove_segment
from tam_video.video.reader import open_video

MOMENT = datetime(2026, 3, 1, 12, 30, 5, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def stream_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "stream.ts"
    path.write_bytes(b"".join(coded_frames(30, gop=10).pieces))
    return path


def written(stream_file, folder, *, shift=0, started=MOMENT, **facts):
    with av.open(str(stream_file)) as container:
        stream = container.streams.video[0]
        writer = SegmentWriter(folder, stream)
        for packet in container.demux(stream):
            if packet.size:
                packet.pts += shift
                packet.dts += shift
                writer.write(packet)
        given = {"gap": None, "is_first": True, "num_dropped": 0} | facts
        return writer.finish("yard", started, **given)


def test_it_holds_the_frames_of_the_stream_from_time_zero(stream_file, tmp_path):
    segment = written(stream_file, tmp_path, shift=90_000 * 5000)
    assert read_numbers(segment.path) == list(range(30))
    with open_video(segment.path) as reader:
        assert reader.info.start_seconds == 0
        assert reader.timeline.pts_seconds == pytest.approx([n / 25 for n in range(30)], abs=1e-4)
    assert segment.duration_seconds == pytest.approx(1.2, abs=0.001)
    assert segment.num_frames == 30


def test_packets_are_copied_not_encoded(stream_file, tmp_path):
    segment = written(stream_file, tmp_path)

    def pictures(path):
        with av.open(str(path)) as container:
            return [frame.to_ndarray() for frame in container.decode(video=0)]

    ours, theirs = pictures(segment.path), pictures(stream_file)
    assert all((one == other).all() for one, other in zip(ours, theirs, strict=True))


def test_its_name_is_the_moment_and_the_rest_stands_beside(stream_file, tmp_path):
    gap = Gap(2.5, "the server ended the stream")
    segment = written(stream_file, tmp_path, gap=gap, is_first=False, num_dropped=4)
    assert segment.path.name == "2026-03-01T12-30-05.250Z.mp4"
    assert read_segment(segment.path) == segment
    assert not segment.follows
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "2026-03-01T12-30-05.250Z.json",
        "2026-03-01T12-30-05.250Z.mp4",
    ]


def test_a_clock_that_is_set_back_replaces_nothing(stream_file, tmp_path):
    segments = [written(stream_file, tmp_path) for _ in range(3)]
    assert [segment.path.stem[23:] for segment in segments] == ["Z", "Z_2", "Z_3"]
    assert recorded_segments(tmp_path) == segments


def test_an_unfinished_one_is_no_segment_and_can_be_abandoned(stream_file, tmp_path):
    with av.open(str(stream_file)) as container:
        writer = SegmentWriter(tmp_path, container.streams.video[0])
        assert recorded_segments(tmp_path) == []
        writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_someone_else_is_no_segment(stream_file, tmp_path):
    segment = written(stream_file, tmp_path)
    other = segment.path.with_name("other.mp4")
    other.write_bytes(segment.path.read_bytes())
    assert read_segment(other) is None
    for text in ("{}", "no json", json.dumps({"segment_version": 9})):
        other.with_suffix(".json").write_text(text)
        assert read_segment(other) is None
    remove_segment(segment)
    assert recorded_segments(tmp_path) == []


def test_a_folder_that_can_not_be_written_is_told(stream_file, tmp_path):
    with pytest.raises(EncodeError, match=r"a segment into .*missing: No such file or directory$"):
        written(stream_file, tmp_path / "missing")


TICK = Fraction(1, 100)


class Output:
    """Keeps (dts, pts, duration) of each packet."""

    def __init__(self):
        self.packets = []

    def add_stream_from_template(self, stream):
        return "stream of the file"

    def mux_one(self, packet):
        assert packet.stream == "stream of the file"
        self.packets.append((packet.dts, packet.pts, packet.duration))

    def close(self):
        pass


def copied(times, monkeypatch, *, time_base=TICK):
    """Write packets (dts, pts[, duration]) of 10 bytes; return the writer and its packets."""
    output = Output()
    monkeypatch.setattr(av, "open", lambda *_args, **_options: output)
    writer = SegmentWriter(Path("folder"), SimpleNamespace(time_base=time_base))
    for dts, pts, *duration in times:
        given = {"dts": dts, "pts": pts, "duration": duration[0] if duration else 0}
        writer.write(SimpleNamespace(size=10, **given))
    return writer, output.packets


def test_times_start_at_the_first_frame_and_reordered_frames_keep_their_order(monkeypatch):
    writer, packets = copied([(96, 100), (100, 112), (104, 104), (108, 108)], monkeypatch)
    # The clock of decoding starts just before the first packet's: it is only moved, not stretched.
    assert packets == [(-4, 0, 0), (0, 12, 4), (4, 4, 4), (8, 8, 4)]
    assert writer.duration_seconds == pytest.approx(0.16)  # the frame at 12 lasts 4 ticks
    assert (writer.num_frames, writer.num_bytes) == (4, 40)


def test_decoding_times_always_increase_and_frames_are_not_shown_before(monkeypatch):
    _, packets = copied([(10, 10), (10, 10), (8, 9), (20, 20)], monkeypatch)
    assert packets == [(0, 0, 0), (1, 1, 1), (2, 2, 1), (10, 10, 8)]


def test_durations_of_the_stream_are_kept(monkeypatch):
    writer, packets = copied([(0, 0, 3), (4, 4, 5), (8, 8)], monkeypatch)
    assert [duration for _, _, duration in packets] == [3, 5, 4]
    assert writer.duration_seconds == pytest.approx(0.12)


def test_the_first_frame_alone_has_no_length_and_the_clock_is_that_of_mpeg(monkeypatch):
    writer, _ = copied([(7, 7)], monkeypatch, time_base=None)
    assert writer.duration_seconds == 0.0
    writer, _ = copied([(0, 0), (90_000, 90_000)], monkeypatch, time_base=None)
    assert writer.duration_seconds == 2.0


@pytest.mark.parametrize("times", [(None, 0), (0, None)])
def test_a_packet_without_times_is_a_programming_mistake(monkeypatch, times):
    with pytest.raises(ValueError, match="needs pts and dts"):
        copied([times], monkeypatch)


def test_a_segment_that_cannot_be_created_leaves_nothing(tmp_path, stream_file, monkeypatch):
    class Refusing(Output):
        def add_stream_from_template(self, stream):
            raise ValueError("no such codec in MP4")

    def opened(path, *_args, **_options):
        Path(path).write_bytes(b"begun")
        return Refusing()

    monkeypatch.setattr(av, "open", opened)
    with pytest.raises(EncodeError, match=r"no such codec in MP4$"):
        SegmentWriter(tmp_path, SimpleNamespace(time_base=TICK))
    assert list(tmp_path.iterdir()) == []


def test_unfinished_segments_have_names_of_their_own(tmp_path, stream_file):
    with av.open(str(stream_file)) as container:
        writers = [SegmentWriter(tmp_path, container.streams.video[0]) for _ in range(2)]
        assert len({writer._partial for writer in writers}) == 2
        assert all(
            re.fullmatch(rf"\.{os.getpid()}-[0-9a-f]{{8}}\.partial", writer._partial.name)
            for writer in writers
        )
        for writer in writers:
            writer.abandon()
            writer.abandon()  # again is fine


def test_the_record_beside_a_segment_is_complete(stream_file, tmp_path):
    segment = written(stream_file, tmp_path, gap=Gap(2.5, "r"), is_first=False, num_dropped=4)
    text = segment.path.with_suffix(".json").read_text()
    assert text.endswith("}\n")
    assert text.startswith('{\n "segment_version"')
    assert json.loads(text) == {
        "segment_version": 1,
        "file": "2026-03-01T12-30-05.250Z.mp4",
        "camera": "yard",
        "started": "2026-03-01T12:30:05.250+00:00",
        "duration_seconds": pytest.approx(1.2, abs=0.001),
        "num_frames": 30,
        "is_first": False,
        "gap_before": {"seconds": 2.5, "reason": "r"},
        "num_dropped_packets": 4,
    }
    assert segment.started == MOMENT
    assert read_segment(written(stream_file, tmp_path).path).gap is None


@pytest.mark.parametrize(
    ("started", "name"),
    [
        (MOMENT.replace(microsecond=7_999), "2026-03-01T12-30-05.007Z"),
        (MOMENT.replace(microsecond=999_999), "2026-03-01T12-30-05.999Z"),
        (MOMENT.astimezone(timezone(timedelta(hours=2))), "2026-03-01T12-30-05.250Z"),
    ],
)
def test_names_hold_milliseconds_in_utc(stream_file, tmp_path, started, name):
    assert written(stream_file, tmp_path, started=started).path.stem == name


@pytest.mark.parametrize(
    "change",
    [
        {"segment_version": 2},
        {"file": "other.mp4"},
        {"started": "yesterday"},
        {"num_frames": None},
        {"gap_before": {"seconds": 1.0}},
    ],
)
def test_a_record_that_does_not_fit_is_no_segment(stream_file, tmp_path, change):
    segment = written(stream_file, tmp_path)
    beside = segment.path.with_suffix(".json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | change))
    assert read_segment(segment.path) is None
    beside.unlink()
    assert read_segment(segment.path) is None


@pytest.mark.parametrize(
    ("gap", "is_first", "follows"),
    [(None, False, True), (None, True, False), (Gap(1, "r"), False, False)],
)
def test_a_segment_follows_without_a_gap_unless_it_is_the_first(gap, is_first, follows):
    segment = Segment(Path("a.mp4"), "yard", MOMENT, 1.0, 5, gap=gap, is_first=is_first)
    assert segment.follows is follows
    assert segment.num_dropped == 0


def test_segments_are_removed_with_their_record_even_if_one_is_gone(stream_file, tmp_path):
    segment = written(stream_file, tmp_path)
    segment.path.unlink()
    remove_segment(segment)
    assert list(tmp_path.iterdir()) == []
    remove_segment(segment)


def test_recorded_segments_are_sorted_by_time(stream_file, tmp_path):
    times = [MOMENT + timedelta(seconds=seconds) for seconds in (9, -5, 2)]
    segments = [written(stream_file, tmp_path, started=started) for started in times]
    (tmp_path / "other.mp4").write_bytes(b"")
    assert recorded_segments(tmp_path) == [segments[1], segments[2], segments[0]]
