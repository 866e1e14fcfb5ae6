"""Seeking, falling back, damage and threads of the default reader."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from odd_clips import ODD_CLIPS, X264, ClipFolder, encode, read_number, set_display_matrix

from tam_video.errors import VideoDecodeError
from tam_video.video import av_reader, cursor, open_video
from tam_video.video.av_reader import PyAvReader

SEEKABLE = [
    *("h264_b", "h264_b_mkv", "vfr_mp4", "hevc", "edit_list", "start5_mp4", "vp9"),
    *("mpegts", "mpegts_h264"),
]


@pytest.fixture
def fed_packets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the packets that are given to a decoder, in element 0."""
    count = [0]
    real = cursor._then_flush

    def counting(packets: Any, target: cursor.SeekTarget) -> Iterator[Any]:
        for packet in real(packets, target):
            count[0] += packet is not None
            yield packet

    monkeypatch.setattr(cursor, "_then_flush", counting)
    return count


def test_a_late_frame_is_reached_from_the_keyframe_before_it(
    clips: ClipFolder, fed_packets: list[int]
) -> None:
    with open_video(clips.path("h264_b")) as video:
        fed_packets[0] = 0
        assert read_number(video.read([46]).frames[0]) == 46
    assert fed_packets[0] <= 24  # one group of pictures, not 47 frames


def test_nothing_is_decoded_after_the_requested_frame(
    clips: ClipFolder, fed_packets: list[int]
) -> None:
    with open_video(clips.path("h264_b")) as video:
        assert isinstance(video, PyAvReader)
        place = int(np.flatnonzero(video._index.table.pts == video._index.ticks[31])[0])
        fed_packets[0] = 0
        assert [read_number(frame) for frame in video.read([0, 31]).frames] == [0, 31]
        assert fed_packets[0] == 1 + (place - 24 + 1)  # of each group of pictures: up to the frame


@pytest.mark.parametrize("name", SEEKABLE)
@pytest.mark.parametrize("threads", [1, 3])
def test_frames_do_not_depend_on_how_many_are_requested(
    name: str, threads: int, clips: ClipFolder
) -> None:
    with PyAvReader(clips.path(name).absolute(), threads=threads) as video:
        whole = [frame.rgb for frame in video.frames()]
        last = len(whole) - 1
        for asked in ([0], [last], [0, last], [3, last // 2, last - 1], range(1, last, 6)):
            for index, frame in zip(asked, video.read(asked).frames, strict=True):
                assert np.array_equal(frame, whole[index])


def test_sequences_do_not_decode_anything_twice(clips: ClipFolder, fed_packets: list[int]) -> None:
    with open_video(clips.path("h264_b")) as video:
        fed_packets[0] = 0
        assert len(list(video.frames())) == 48
    assert fed_packets[0] == 48


@pytest.mark.parametrize("name", SEEKABLE)
def test_good_files_are_read_without_fallbacks(name: str, clips: ClipFolder) -> None:
    with open_video(clips.path(name)) as video:
        video.read(range(len(ODD_CLIPS[name].numbers) - 1, 0, -5))
        assert video.warnings == ()


@pytest.mark.parametrize("name", ["h264_b", "hevc", "vp9", "mpegts_h264", "h264_b_avi"])
def test_threads_do_not_change_a_pixel(name: str, clips: ClipFolder) -> None:
    path = clips.path(name).absolute()
    with PyAvReader(path, threads=1) as one, PyAvReader(path, threads=4) as many:
        asked = [0, 13, 30, 47]
        assert np.array_equal(one.read(asked).frames, many.read(asked).frames)
        for ours, theirs in zip(one.frames(), many.frames(), strict=True):
            assert np.array_equal(ours.rgb, theirs.rgb)


def test_a_seek_that_lies_is_noticed_and_repaired(
    clips: ClipFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = cursor.Cursor._from

    def one_keyframe_late(self: cursor.Cursor, place: int, *, latest: int) -> Any:
        return real(self, place + 24 if place + 24 < 48 else 24, latest=latest)

    monkeypatch.setattr(cursor.Cursor, "_from", one_keyframe_late)
    encoded = clips.path("h264_b")
    with open_video(encoded) as video, caplog.at_level(logging.WARNING):
        monkeypatch.setattr(cursor, "_expected_packets", lambda packets, table, latest: iter(()))
        batch = video.read([5, 30, 47])
        assert [read_number(frame) for frame in batch.frames] == [5, 30, 47]
        assert any("from the start" in words for words in video.warnings)
    assert "from the start" in caplog.text


def test_packets_of_another_place_are_not_decoded_after_a_seek(clips: ClipFolder) -> None:
    with open_video(clips.path("h264_b")) as video:
        assert isinstance(video, PyAvReader)
        table = video._index.table
    wrong = [type("P", (), {"pts": int(p), "size": 1, "is_keyframe": True})() for p in table.pts]
    assert list(cursor._expected_packets(wrong, table, 24)) == []


def test_frames_before_the_damage_are_read_and_damaged_ones_are_errors(clips: ClipFolder) -> None:
    with open_video(clips.path("corrupt_mid")) as video:
        assert [read_number(frame) for frame in video.read([0, 7, 14]).frames] == [0, 7, 14]
        with pytest.raises(VideoDecodeError) as caught:
            video.read([0, 47])
        assert caught.value.frame_index == 47
        shown: list[int] = []
        with pytest.raises(VideoDecodeError) as caught:
            shown.extend(read_number(frame.rgb) for frame in video.frames())
    assert caught.value.frame_index is not None
    assert caught.value.frame_index > 12


def test_frames_after_the_damage_are_read_again_from_the_next_keyframe(tmp_path: Path) -> None:
    path = tmp_path / "hurt.mkv"
    encode(path, *X264, "-g", "12", "-bf", "2", "-sc_threshold", "0")
    start, size = _packet_positions(path)[15]  # in the second of four groups of pictures
    data = bytearray(path.read_bytes())
    data[start + 24 : start + size] = b"\xff" * (size - 24)
    path.write_bytes(data)
    with open_video(path) as video:
        good, lost = [], []
        for index in range(48):
            try:
                good.append((index, read_number(video.read([index]).frames[0])))
            except VideoDecodeError as error:
                lost.append(error.frame_index)
    assert all(index == number for index, number in good)
    assert {index for index, _ in good} >= {*range(12), *range(24, 48)}
    assert lost
    assert all(index in range(12, 24) for index in lost)


def _packet_positions(path: Path) -> list[tuple[int, int]]:
    import av

    with av.open(str(path)) as container:
        return [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]


def test_a_file_that_ends_early_is_read_as_far_as_it_goes(clips: ClipFolder) -> None:
    with open_video(clips.path("shortened")) as video:
        count = video.info.num_frames
        assert 5 < count < 48
        assert [read_number(frame.rgb) for frame in video.frames()] == list(range(count))
        assert any("truncated" in words for words in video.warnings)


def test_the_reader_keeps_only_the_requested_frames_in_memory(clips: ClipFolder) -> None:
    with open_video(clips.path("h264_b")) as video:
        held = video.frames()
        first = next(held)
        second = next(held)
        assert first.rgb.base is None or first.rgb.base is not second.rgb.base
        batch = video.read([3, 3, 3])
        assert batch.frames.shape == (3, 120, 160, 3)


def test_pixel_aspect_is_reported_and_turned_with_the_picture(tmp_path: Path) -> None:
    encode(tmp_path / "sar.mp4", *X264, "-vf", "setsar=4/3", numbers=range(4))
    with open_video(tmp_path / "sar.mp4") as video:
        assert video.info.sample_aspect_ratio == Fraction(4, 3)
        assert (video.info.width, video.info.height) == (160, 120)


@pytest.mark.shared
@pytest.mark.parametrize(
    "path",
    sorted((Path(__file__).parents[4] / "shared" / "media").rglob("tree_header_lies.avi")),
    ids=lambda path: path.name,
)
def test_frame_counts_in_headers_are_not_used(path: Path) -> None:
    with open_video(path) as video:
        assert video.info.num_frames == 68
        assert sum(1 for _ in video.frames()) == 68


def counted(times: list[int | None], *, is_avi: bool = False, **facts: Any) -> list[int]:
    """The ticks of decoded frames with these times."""
    given = {"average_rate": Fraction(25), "guessed_rate": None, "start_time": None}
    given["time_base"] = Fraction(1, 100)
    stream: Any = SimpleNamespace(**given | facts)
    table: Any = None
    decoded = [(ticks, number == 1) for number, ticks in enumerate(times)]
    index = av_reader._counted_index(decoded, stream, table, is_avi=is_avi)
    assert index.is_counted
    assert index.is_keyframe.tolist() == [number == 1 for number in range(len(times))]
    return [int(each) for each in index.ticks]


def test_increasing_times_of_decoded_frames_are_used() -> None:
    assert counted([3, 4, 90]) == [3, 4, 90]
    assert counted([3, 4, 90], start_time=7) == [3, 4, 90]


@pytest.mark.parametrize("times", [[0, 9, 4], [0, 4, 4], [0, None, 9], [None, None, None]])
def test_frames_without_usable_times_are_spaced_by_the_rate(times: list[int | None]) -> None:
    assert counted(times) == [0, 4, 8]
    assert counted(times, start_time=7) == [7, 11, 15]
    assert counted(times, average_rate=None, guessed_rate=Fraction(50)) == [0, 2, 4]
    assert counted(times, average_rate=None) == [0, 4, 8]
    assert counted(times, time_base=None) == [0, 40, 80]
    assert counted(times, average_rate=Fraction(30000, 1001)) == [0, 3, 7]


def test_times_of_avi_are_estimates_and_not_used() -> None:
    assert counted([0, 5, 9], is_avi=True) == [0, 4, 8]


@pytest.mark.parametrize(
    ("name", "is_counted", "format_name"),
    [
        ("h264_b", False, "mov,mp4,m4a,3gp,3g2,mj2"),
        ("mpegts", False, "mpegts"),
        ("mpeg4_b_avi", True, "avi"),
        ("mjpeg_avi", False, "avi"),
    ],
)
def test_a_reader_knows_whether_it_counts(
    name: str, is_counted: bool, format_name: str, clips: ClipFolder
) -> None:
    with open_video(clips.path(name)) as video:
        assert isinstance(video, PyAvReader)
        assert (video.is_counted, video.format_name) == (is_counted, format_name)
        words = "the container has no reliable frame times: frames are counted by decoding"
        assert video.warnings == ((words,) if is_counted else ())
        video.read([40, 3])
        assert len(video.warnings) == is_counted


def test_info_is_that_of_the_stream(clips: ClipFolder) -> None:
    with open_video(clips.path("start5_mp4")) as video:
        info = video.info
    assert info.path == clips.path("start5_mp4").absolute()
    assert (info.average_fps, info.duration_seconds, info.start_seconds) == (25, 1.92, 5.0)
    assert (info.codec, info.pixel_format) == ("h264", "yuv420p")
    assert info.time_base.numerator == 1
    assert (info.color_space, info.color_range) == ("bt601", "limited")
    assert (info.rotation_degrees, info.is_mirrored, info.is_image) == (0, False, False)


@pytest.mark.parametrize(("turns", "aspect"), [(0, (4, 3)), (1, (3, 4)), (2, (4, 3)), (3, (3, 4))])
def test_the_pixel_aspect_is_turned_by_the_display_matrix(
    tmp_path: Path, turns: int, aspect: tuple[int, int]
) -> None:
    path = tmp_path / "sar.mp4"
    encode(path, *X264, "-vf", "setsar=4/3", numbers=range(3))
    set_display_matrix(path, turns=turns)
    with open_video(path) as video:
        assert video.info.sample_aspect_ratio == Fraction(*aspect)
        assert video.info.rotation_degrees == 90 * turns


def test_a_file_whose_pictures_are_all_damaged_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "hurt.mp4"
    encode(path, *X264, numbers=range(2))
    data = bytearray(path.read_bytes())
    for start, size in _packet_positions(path):
        data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    with pytest.raises(VideoDecodeError, match=r"no frame of hurt\.mp4 can be decoded") as caught:
        open_video(path)
    assert caught.value.frame_index == 0


def test_a_lost_frame_is_named(clips: ClipFolder) -> None:
    with (
        open_video(clips.path("corrupt_mid")) as video,
        pytest.raises(VideoDecodeError, match=r"frame 47 of corrupt_mid\.mp4 can't be decoded"),
    ):
        video.read([47])


def test_a_truncated_file_warns_once_with_its_length(clips: ClipFolder) -> None:
    with open_video(clips.path("shortened")) as video:
        video.read([0])
        assert video.warnings == (f"the file is truncated after {video.info.num_frames} frames",)


def test_planes_are_numbered_and_end_with_the_reader(clips: ClipFolder) -> None:
    with open_video(clips.path("start5_mp4")) as video:
        planes = video.planes(matrix=1)
        first = next(planes)
        assert (first.index, first.pts_seconds) == (0, 5.0)
        assert (first.planes.width, first.planes.height, first.planes.step) == (160, 120, 2)
    for read in (lambda: next(planes), lambda: video.planes(matrix=1)):
        with pytest.raises(ValueError, match="closed"):
            read()
