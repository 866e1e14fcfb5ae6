"""Segments: copied packets, finished when they have their name."""

import json
from datetime import UTC, datetime

import av
import pytest

from benchmarks.live_server import coded_frames, read_numbers
from tam_video.errors import EncodeError
from tam_video.video.live import Gap, read_segment, recorded_segments
from tam_video.video.live.segments import SegmentWriter, remove_segment
from tam_video.video.reader import open_video

MOMENT = datetime(2026, 3, 1, 12, 30, 5, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def stream_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "stream.ts"
    path.write_bytes(b"".join(coded_frames(30, gop=10).pieces))
    return path


def written(stream_file, folder, *, shift=0, **facts):
    with av.open(str(stream_file)) as container:
        stream = container.streams.video[0]
        writer = SegmentWriter(folder, stream)
        for packet in container.demux(stream):
            if packet.size:
                packet.pts += shift
                packet.dts += shift
                writer.write(packet)
        given = {"gap": None, "is_first": True, "num_dropped": 0} | facts
        return writer.finish("yard", MOMENT, **given)


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
