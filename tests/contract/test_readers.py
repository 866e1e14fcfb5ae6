"""One suite for every reader: what it gives is compared with numbers drawn into the frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from odd_clips import BAD_FILES, ODD_CLIPS, ClipFolder, OddClip, read_number

from tam_video import errors
from tam_video.video import READERS, VideoReader, open_video

MEDIA = Path(__file__).parents[3] / "shared" / "media"
REAL_CLIPS = sorted(p for p in MEDIA.rglob("*") if p.suffix in {".mp4", ".avi"})
PYAV_ONLY = {
    "av1",
    "gif",
    "gif_vfr",
    "packed_b_avi",
    "mpeg4_b_avi",
    "h264_b_avi",
    "mpegts",
    "mpegts_h264",
}
VIDEO_READERS = [name for name in READERS.targets if name != "dicom"]  # has a suite of its own
READABLE = [
    (reader, name)
    for reader in VIDEO_READERS
    for name in ODD_CLIPS
    if reader == "pyav" or name not in PYAV_ONLY
]


@pytest.fixture(scope="module", params=READABLE, ids="-".join)
def case(
    request: pytest.FixtureRequest, clips: ClipFolder
) -> Iterator[tuple[VideoReader, OddClip]]:
    reader, name = request.param
    with open_video(clips.path(name), reader=reader) as video:
        yield video, ODD_CLIPS[name]


def numbers_at(video: VideoReader, indices: list[int]) -> list[int]:
    batch = video.read(indices)
    assert batch.indices.tolist() == indices
    assert np.array_equal(batch.pts_seconds, video.timeline.pts_seconds[indices])
    return [read_number(frame) for frame in batch.frames]


def test_counts_and_times_are_those_of_the_shown_frames(case: tuple[VideoReader, OddClip]) -> None:
    video, clip = case
    assert video.info.num_frames == len(video.timeline) == len(clip.numbers)
    assert video.timeline.pts_seconds == pytest.approx(clip.seconds, abs=clip.tolerance)
    assert video.info.start_seconds == pytest.approx(clip.seconds[0], abs=clip.tolerance)
    assert video.timeline.is_keyframe.any()


def test_info_describes_the_upright_picture(case: tuple[VideoReader, OddClip]) -> None:
    video, clip = case
    assert (video.info.width, video.info.height) == (clip.width, clip.height)
    assert video.info.has_audio == clip.has_audio
    longest = max(np.diff(clip.seconds), default=0.04)
    shown = clip.seconds[-1] - clip.seconds[0]
    assert shown < video.info.duration_seconds <= shown + 1.01 * longest
    rate = video.info.num_frames / video.info.duration_seconds
    assert float(video.info.average_fps) == pytest.approx(rate, rel=1e-3)


def test_sequential_frames_are_all_there_in_order(case: tuple[VideoReader, OddClip]) -> None:
    video, clip = case
    frames = list(video.frames())
    assert [frame.index for frame in frames] == list(range(len(clip.numbers)))
    assert [read_number(frame.rgb) for frame in frames] == list(clip.numbers)
    assert [f.pts_seconds for f in frames] == video.timeline.pts_seconds.tolist()


def test_a_part_of_the_sequence_is_that_part(case: tuple[VideoReader, OddClip]) -> None:
    video, clip = case
    start, stop = len(clip.numbers) // 3, max(1, 2 * len(clip.numbers) // 3)
    part = [read_number(frame.rgb) for frame in video.frames(start, stop)]
    assert part == list(clip.numbers[start:stop])


def test_reads_uniform_first_last_and_random_frames(case: tuple[VideoReader, OddClip]) -> None:
    video, clip = case
    count = len(clip.numbers)
    random = np.random.default_rng(count).integers(0, count, 12).tolist()
    uniform = np.linspace(0, count - 1, 8).astype(int).tolist()
    for asked in ([0], [count - 1], uniform, random, [count - 1, 0, count - 1]):
        assert numbers_at(video, asked) == [clip.numbers[index] for index in asked]


def test_read_and_frames_give_the_same_pixels(case: tuple[VideoReader, OddClip]) -> None:
    video, clip = case
    middle = len(clip.numbers) // 2
    (frame,) = video.frames(middle, middle + 1)
    assert np.array_equal(video.read([middle]).frames[0], frame.rgb)


@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_two_sequences_do_not_disturb_each_other(reader: str, clips: ClipFolder) -> None:
    with open_video(clips.path("h264_b"), reader=reader) as video:
        first, second = video.frames(), video.frames(10)
        pairs = [(next(first).index, next(second).index) for _ in range(5)]
        assert read_number(video.read([40]).frames[0]) == 40
        pairs.append((read_number(next(first).rgb), read_number(next(second).rgb)))
    assert pairs == [(n, n + 10) for n in range(6)]


@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_numbers_that_do_not_exist_are_refused(reader: str, clips: ClipFolder) -> None:
    with open_video(clips.path("two_frames"), reader=reader) as video:
        for wrong in ([2], [-1], [0, 5]):
            with pytest.raises(IndexError):
                video.read(wrong)
        for empty in ([], [0.5]):
            with pytest.raises(ValueError, match="frame numbers"):
                video.read(empty)  # type: ignore[arg-type]
        with pytest.raises(IndexError):
            video.frames(1, 3)
        assert list(video.frames(1, 1)) == []


@pytest.mark.parametrize("reader", VIDEO_READERS)
def test_a_closed_reader_reads_nothing(reader: str, clips: ClipFolder) -> None:
    with open_video(clips.path("h264_b"), reader=reader) as video:
        running = video.frames()
        next(running)
    for read in (lambda: video.read([0]), video.frames, lambda: next(running)):
        with pytest.raises(ValueError, match="closed"):
            read()


@pytest.mark.parametrize("reader", VIDEO_READERS)
@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_give_one_line_errors_with_a_hint(
    reader: str, name: str, clips: ClipFolder
) -> None:
    with (
        pytest.raises(errors.InputError) as caught,
        open_video(clips.path(name), reader=reader) as v,
    ):
        list(v.frames())
    assert type(caught.value).__name__ == BAD_FILES[name].error
    for words in (caught.value.message, caught.value.hint):
        assert words
        assert "\n" not in words


@pytest.mark.parametrize("name", sorted(PYAV_ONLY))
def test_decord_refuses_what_it_gets_wrong(name: str, clips: ClipFolder) -> None:
    with pytest.raises(errors.VideoOpenError) as caught:
        open_video(clips.path(name), reader="decord")
    assert "pyav" in caught.value.hint


@pytest.mark.shared
@pytest.mark.parametrize("reader", VIDEO_READERS)
@pytest.mark.parametrize("path", REAL_CLIPS, ids=lambda path: path.name)
def test_sampled_real_frames_are_those_of_sequential_decoding(path: Path, reader: str) -> None:
    with open_video(path, reader=reader) as video:
        last = min(video.info.num_frames, 400) - 1
        asked = np.linspace(0, last, 16).astype(int).tolist()
        wanted = {
            frame.index: frame.rgb for frame in video.frames(0, last + 1) if frame.index in asked
        }
        batch = video.read(asked)
    assert all(np.array_equal(got, wanted[i]) for i, got in zip(asked, batch.frames, strict=True))


@pytest.mark.shared
@pytest.mark.parametrize("path", REAL_CLIPS, ids=lambda path: path.name)
def test_both_readers_see_the_same_real_pictures(path: Path) -> None:
    with open_video(path) as ours, open_video(path, reader="decord") as theirs:
        asked = [0, ours.info.num_frames // 3]
        difference = np.abs(ours.read(asked).frames.astype(int) - theirs.read(asked).frames)
    assert difference.mean() < 1
