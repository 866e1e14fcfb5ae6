from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tam_video.errors import InputError, VideoDecodeError, VideoOpenError
from tam_video.video.frame_folder import FrameFolder
from tam_video.video.reader import ReadLimits, open_video


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    result = []
    for number in range(5):
        result.append(folder / f"{number:05d}.{'jpg' if number % 2 else 'png'}")
        Image.fromarray(rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)).save(result[-1])
    return result


def alone(path):
    with open_video(path) as reader:
        return reader.read([0]).frames[0]


def test_frames_are_the_images_in_the_requested_order(paths):
    with FrameFolder(paths, fps=6) as reader:
        batch = reader.read([3, 0, 3, 4])
    assert batch.indices.tolist() == [3, 0, 3, 4]
    for frame, number in zip(batch.frames, (3, 0, 3, 4), strict=True):
        np.testing.assert_array_equal(frame, alone(paths[number]))
    assert batch.pts_seconds == pytest.approx([0.5, 0, 0.5, 4 / 6])


def test_info_is_that_of_a_clip_at_this_rate(paths):
    info = FrameFolder(paths, fps=2.5).info
    assert (info.num_frames, info.width, info.height) == (5, 20, 12)
    assert info.duration_seconds == pytest.approx(2.0)
    assert info.average_fps == 2.5
    assert not info.is_image
    assert info.path == paths[0].parent
    assert info.time_base == Fraction(2, 5)
    assert (info.codec, info.pixel_format) == ("png", "rgb24")


def test_reading_in_sequence_gives_the_same_frames(paths):
    with FrameFolder(paths, fps=1) as reader:
        frames = list(reader.frames(1, 4))
        assert [frame.index for frame in frames] == [1, 2, 3]
        np.testing.assert_array_equal(frames[1].rgb, reader.read([2]).frames[0])
        assert [frame.pts_seconds for frame in frames] == [1.0, 2.0, 3.0]
        assert reader.timeline.is_keyframe.all()
        assert reader.warnings == ()


def test_frame_of_another_size_is_an_error_that_names_it(paths, tmp_path):
    odd = tmp_path / "odd.png"
    Image.new("RGB", (20, 14)).save(odd)
    with FrameFolder([*paths, odd], fps=1) as reader, pytest.raises(VideoDecodeError) as caught:
        reader.read([0, 5])
    assert caught.value.frame_index == 5


def test_missing_file_is_a_typed_error(paths, tmp_path):
    with pytest.raises(InputError):
        FrameFolder([tmp_path / "none.jpg"], fps=1)
    with FrameFolder([*paths, tmp_path / "none.jpg"], fps=1) as reader:
        reader.read([0])
        with pytest.raises(InputError, match="none"):
            reader.read([5])


def test_no_frame_and_no_rate_are_refused(paths):
    with pytest.raises(VideoOpenError):
        FrameFolder([], fps=1)
    with pytest.raises(ValueError, match="fps"):
        FrameFolder(paths, fps=0)


def test_closed_reader_reads_nothing(paths):
    reader = FrameFolder(paths, fps=1)
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read([0])
    with pytest.raises(ValueError, match="closed"):
        next(reader.frames())
    with FrameFolder(paths, fps=1) as other, pytest.raises(IndexError):
        other.read([5])


def test_a_rate_is_rounded_to_a_millionth(paths):
    assert FrameFolder(paths, fps=29.97).info.average_fps == Fraction(2997, 100)
    assert FrameFolder(paths, fps=1 / 3).info.time_base == 3


def test_a_folder_at_its_limit_is_read(paths):
    assert FrameFolder(paths, fps=1, limits=ReadLimits(max_frames=5)).info.num_frames == 5
    with pytest.raises(VideoOpenError, match="the folder has 5 frames, but the limit is 4"):
        FrameFolder(paths, fps=1, limits=ReadLimits(max_frames=4))


def test_each_image_is_checked_against_the_limits(paths, tmp_path):
    Image.new("RGB", (20, 13)).save(tmp_path / "large.png")
    limits = ReadLimits(max_pixels=240)
    with FrameFolder([*paths, tmp_path / "large.png"], fps=1, limits=limits) as reader:
        reader.read([0])
        with pytest.raises(InputError):
            reader.read([5])


def test_the_message_names_both_sizes(paths, tmp_path):
    for size in ((20, 14), (22, 12)):
        odd = tmp_path / "odd.png"
        Image.new("RGB", size).save(odd)
        words = f"odd.png is {size[0]}x{size[1]}, but the first frame is 20x12"
        with (
            FrameFolder([*paths, odd], fps=1) as reader,
            pytest.raises(VideoDecodeError, match=words),
        ):
            reader.read([5])


def test_the_path_is_the_folder_of_the_first_image(paths, tmp_path):
    other = tmp_path / "other.png"
    Image.new("RGB", (20, 12)).save(other)
    assert FrameFolder([paths[0], other], fps=1).info.path == paths[0].parent
    assert FrameFolder([other, paths[0]], fps=1).info.path == tmp_path
