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
from tam_video.video.still import count_pages, read_orientation

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


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[0x112] = orientation
    return bytes(made.tobytes())


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload


def jpeg_with(path: Path, *parts: bytes) -> Path:
    """A JPEG file with these bytes after its first marker."""
    save(path)
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"".join(parts) + data[2:])
    return path


COMMENT = segment(0xFE, b"a comment")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], (1, 0, 0, 1)),
        ([segment(0xE1, exif(6))], (0, 1, -1, 0)),
        ([b"\xff\xff\xff" + segment(0xE1, exif(6))], (0, 1, -1, 0)),  # fill bytes
        ([COMMENT, b"\xff" + COMMENT, segment(0xE1, exif(3))], (-1, 0, 0, -1)),
        ([segment(0xE1, exif(8)), segment(0xE1, exif(3))], (0, -1, 1, 0)),  # the first counts
        ([segment(0xE1, b"http://ns.adobe.com/"), segment(0xE1, exif(2))], (-1, 0, 0, 1)),
        ([segment(0xE2, exif(6))], (1, 0, 0, 1)),  # EXIF is in APP1 only
        ([segment(0xFE, b""), segment(0xE1, exif(4))], (1, 0, 0, -1)),
        ([segment(0xE1, exif(9))], None),
    ],
)
def test_the_first_exif_segment_of_a_jpeg_file_gives_the_orientation(
    tmp_path: Path, parts: list[bytes], expected: tuple[int, ...] | None
) -> None:
    assert read_orientation(jpeg_with(tmp_path / "a.jpg", *parts)) == expected


def test_exif_after_the_pixels_of_a_jpeg_file_is_not_read(tmp_path: Path) -> None:
    path = jpeg_with(tmp_path / "a.jpg")
    path.write_bytes(path.read_bytes()[:-2] + segment(0xE1, exif(6)) + b"\xff\xd9")
    assert read_orientation(path) == (1, 0, 0, 1)


def test_many_exif_segments_take_no_time(tmp_path: Path) -> None:
    parts = [segment(0xE1, exif(6).ljust(60_000, b"\0"))] * 200
    assert read_orientation(jpeg_with(tmp_path / "a.jpg", *parts)) == (0, 1, -1, 0)


def test_a_png_file_may_hold_its_orientation_after_the_pixels(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", exif=exif(6))
    data = path.read_bytes()
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4])]
    end = data.index(b"IEND") - 4
    path.write_bytes(data[:at] + data[at + len(chunk) : end] + chunk + data[end:])
    assert read_orientation(path) == (0, 1, -1, 0)


def test_a_repeated_exif_header_is_not_read(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp", exif=2 * b"Exif\0\0" + exif(6))
    assert read_orientation(path) is None
    assert read_orientation(save(tmp_path / "b.webp", exif=exif(6))) == (0, 1, -1, 0)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\0", b"GIF89a", b"no image"])
def test_a_broken_image_has_no_orientation_and_one_page(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert read_orientation(path) is None
    assert count_pages(path) == 1
    assert read_orientation(tmp_path / "none.jpg") is None
    assert count_pages(tmp_path / "none.tiff") == 1


def test_pages_are_those_of_tiff_files(tmp_path: Path) -> None:
    more = [picture(seed=1), picture(seed=2)]
    assert count_pages(save(tmp_path / "a.tiff", save_all=True, append_images=more)) == 3
    assert count_pages(save(tmp_path / "b.tiff")) == 1
    assert count_pages(save(tmp_path / "a.gif", save_all=True, append_images=more)) == 1
