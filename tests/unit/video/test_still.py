"""Still pictures: recognised by what they are, upright, and not mixed up with clips."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_clips import ClipFolder
from PIL import Image, ImageOps

from tam_video.errors import NoVideoStreamError
from tam_video.video import open_video
from tam_video.video.reader import VideoReader

HEIGHT, WIDTH = 60, 80


def picture(*, seed: int = 0) -> Image.Image:
    """Smooth, and different in all four corners."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = (3 * x % 256, 4 * y, (x + y + 60 * seed) % 256)
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8)).resize((WIDTH, HEIGHT))


def save(path: Path, **options: Any) -> Path:
    picture().save(path, **options)
    return path


def first_frame(video: VideoReader) -> np.ndarray[Any, Any]:
    return video.read([0]).frames[0].astype(int)


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.tiff", {}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("lossy.webp", {"quality": 95}, 6),
        ("a.jpg", {"quality": 95, "subsampling": 0}, 3),
        ("progressive.jpg", {"quality": 95, "subsampling": 0, "progressive": True}, 3),
    ],
)
def test_a_still_picture_is_an_image(
    tmp_path: Path, name: str, options: dict[str, Any], tolerance: float
) -> None:
    with open_video(save(tmp_path / name, **options)) as video:
        assert video.info.is_image
        assert (video.info.num_frames, video.info.width, video.info.height) == (1, WIDTH, HEIGHT)
        assert video.warnings == ()
        off = np.abs(first_frame(video) - np.asarray(picture(), int))
    assert off.mean() <= tolerance


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_a_picture_of_any_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    picture().convert(mode).save(tmp_path / "a.png")
    wanted = np.asarray(picture().convert(mode).convert("RGB"), int)
    with open_video(tmp_path / "a.png") as video:
        assert np.abs(first_frame(video) - wanted).max() <= 1


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_rotated_by_its_exif_orientation(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    path = save(tmp_path / f"a{suffix}", exif=exif)
    with Image.open(path) as stored:
        wanted = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"), int)
    with open_video(path) as video:
        got = first_frame(video)
        assert (video.info.height, video.info.width) == got.shape[:2] == wanted.shape[:2]
        assert np.abs(got - wanted).mean() < 8


def test_the_name_of_a_file_says_nothing(tmp_path: Path, clips: ClipFolder) -> None:
    png = save(tmp_path / "a.png")
    for name in ("picture.mp4", "a.jpg", "row%03d.png", "noname"):
        shutil.copy(png, tmp_path / name)
        with open_video(tmp_path / name) as video:
            assert video.info.is_image
            assert video.info.codec == "png"
    shutil.copy(clips.path("h264_b"), tmp_path / "clip.png")
    with open_video(tmp_path / "clip.png") as video:
        assert (video.info.is_image, video.info.num_frames) == (False, 48)


def test_a_percent_sign_opens_no_other_file(tmp_path: Path) -> None:
    save(tmp_path / "a1.png")
    save(tmp_path / "a2.png")
    picture(seed=1).save(tmp_path / "a%d.png")
    with open_video(tmp_path / "a%d.png") as video:
        assert video.info.num_frames == 1
        np.testing.assert_array_equal(first_frame(video), np.asarray(picture(seed=1), int))


@pytest.mark.parametrize(
    ("name", "num_frames"), [("moving.gif", 2), ("one.gif", 1), ("moving.png", 2)]
)
def test_formats_that_can_move_are_videos(tmp_path: Path, name: str, num_frames: int) -> None:
    more = [picture(seed=1)] if num_frames > 1 else []
    picture().save(tmp_path / name, save_all=True, append_images=more, duration=100)
    with open_video(tmp_path / name) as video:
        assert (video.info.is_image, video.info.num_frames) == (False, num_frames)


def test_a_clip_of_one_frame_is_a_video(clips: ClipFolder) -> None:
    with open_video(clips.path("one_frame")) as video:
        assert not video.info.is_image


def test_an_animated_webp_says_what_to_do(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.webp", save_all=True, append_images=[picture(seed=1)])
    with pytest.raises(NoVideoStreamError) as caught:
        open_video(tmp_path / "a.webp")
    assert "convert it" in caught.value.hint


def test_further_pages_give_a_warning(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.tiff", save_all=True, append_images=[picture(seed=1)])
    with open_video(tmp_path / "a.tiff") as video:
        assert video.info.is_image
        assert "2 pages" in video.warnings[0]


def test_pyav_reads_pictures_for_decord(tmp_path: Path) -> None:
    with open_video(save(tmp_path / "a.png"), reader="decord") as video:
        assert video.info.is_image
        assert "PyAV reads" in video.warnings[0]
        np.testing.assert_array_equal(first_frame(video), np.asarray(picture(), int))
