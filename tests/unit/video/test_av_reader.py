"""Seeking, falling back, damage and threads of the default reader."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_clips import ODD_CLIPS, X264, ClipFolder, encode, read_number

from tam_video.errors import VideoDecodeError
from tam_video.video import cursor, open_video
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
