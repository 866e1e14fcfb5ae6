"""Colour and orientation of decoded pictures."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from av import VideoFrame
from odd_clips import X264, ffmpeg

from tam_video.types import ByteArray
from tam_video.video import open_video
from tam_video.video.pixels import (
    PixelRecipe,
    _orientation,
    pixel_recipe,
    sws_colours,
    to_rgb,
    upright,
)

COLOURS = {"red": (200, 30, 40), "green": (30, 180, 60), "blue": (50, 60, 210)}
MATRIX = {"bt709": "bt709", "bt601": "smpte170m", "bt2020": "bt2020"}


def flat_clip(
    path: Path, colour: str, *, size: str, matrix: str, tagged: bool, full: bool = False
) -> Path:
    red, green, blue = COLOURS[colour]
    source = f"color=c=0x{red:02x}{green:02x}{blue:02x}:size={size}:rate=5:duration=0.4"
    place = "pc" if full else "tv"
    space = {"bt709": "bt709", "bt601": "smpte170m", "bt2020": "bt2020"}[matrix]
    convert = f"format=gbrp,scale=out_color_matrix={space}:out_range={place},format=yuv444p"
    tags = ("-colorspace", "bt2020nc" if matrix == "bt2020" else space) if tagged else ()
    wipe = () if tagged else ("-bsf:v", "h264_metadata=matrix_coefficients=2")
    options = ("-vf", convert, *X264[:4], "-crf", "4", "-color_range", place, *tags, *wipe)
    ffmpeg("-f", "lavfi", "-i", source, *options, path)
    return path


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("matrix", MATRIX)
@pytest.mark.parametrize("full", [False, True])
def test_tagged_colours_come_back(tmp_path: Path, colour: str, matrix: str, full: bool) -> None:
    path = flat_clip(
        tmp_path / "c.mp4", colour, size="64x48", matrix=matrix, tagged=True, full=full
    )
    with open_video(path) as video:
        assert video.info.color_space == matrix
        assert video.info.color_range == ("full" if full else "limited")
        pixel = video.read([0]).frames[0, 20, 30].astype(int)
    assert np.abs(pixel - COLOURS[colour]).max() <= 3


@pytest.mark.parametrize(
    ("size", "matrix"),
    [("1280x96", "bt709"), ("96x720", "bt709"), ("1278x96", "bt601"), ("96x718", "bt601")],
)
@pytest.mark.parametrize("reader", ["pyav", "decord"])
def test_untagged_colours_are_those_of_hd_or_of_television(
    tmp_path: Path, size: str, matrix: str, reader: str
) -> None:
    path = flat_clip(tmp_path / "c.mp4", "green", size=size, matrix=matrix, tagged=False)
    with open_video(path, reader=reader) as video:
        assert video.info.color_space == matrix
        pixel = video.read([1]).frames[0, 20, 30].astype(int)
    assert np.abs(pixel - COLOURS["green"]).max() <= 3


def test_white_and_black_reach_the_ends_of_the_range(tmp_path: Path) -> None:
    for name, value in (("white", 255), ("black", 0)):
        source = f"color=c={name}:size=32x32:rate=5:duration=0.2"
        ffmpeg("-f", "lavfi", "-i", source, *X264, tmp_path / f"{name}.mp4")
        with open_video(tmp_path / f"{name}.mp4") as video:
            assert np.abs(video.read([0]).frames.astype(int) - value).max() <= 1


def by_matrix(stored: ByteArray, matrix: tuple[int, int, int, int]) -> ByteArray:
    """Every pixel moved on its own, as ISO 14496-12 writes it; corners shifted back to 0."""
    a, b, c, d = matrix
    height, width = stored.shape[:2]
    spots = {(a * x + c * y, b * x + d * y): (y, x) for y in range(height) for x in range(width)}
    columns, rows = sorted({x for x, _ in spots}), sorted({y for _, y in spots})
    return np.array([[stored[spots[x, y]] for x in columns] for y in rows])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_display_matrix_moves_every_pixel_where_the_standard_says(
    degrees: int, mirrored: bool
) -> None:
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    flip = -1 if mirrored else 1
    matrix = (flip * cosine, flip * sine, -sine, cosine)
    transposed, rows, columns, turned, is_mirrored = _orientation(matrix)
    assert (turned, is_mirrored) == (degrees, mirrored)
    stored = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    recipe = PixelRecipe(
        width=3,
        height=2,
        color_space="bt601",
        color_range="limited",
        is_tagged=False,
        is_transposed=transposed,
        flips_rows=rows,
        flips_columns=columns,
    )
    got = upright(stored, recipe)
    assert got.shape == recipe.shape
    assert got.flags.c_contiguous
    assert np.array_equal(got, by_matrix(stored, matrix))


def stored_frame(**facts: Any) -> Any:
    """What a decoder says about a frame."""
    format_facts = {"components": (1, 2, 3), "is_rgb": False, "has_palette": False}
    format_facts["name"] = "yuv420p"
    format_facts |= {name: facts.pop(name) for name in tuple(facts) if name in format_facts}
    given = {"width": 64, "height": 48, "colorspace": 2, "color_range": 0, "side_data": {}}
    return SimpleNamespace(format=SimpleNamespace(**format_facts), **given | facts)


@pytest.mark.parametrize(
    ("tag", "space"),
    [
        *((1, "bt709"), (4, "fcc"), (5, "bt601"), (6, "bt601"), (7, "smpte240m")),
        *((9, "bt2020"), (10, "bt2020")),
    ],
)
def test_the_tag_names_the_colour_space(tag: int, space: str) -> None:
    recipe = pixel_recipe(stored_frame(colorspace=tag, width=1920, height=1080))
    assert (recipe.color_space, recipe.is_tagged) == (space, True)
    small = pixel_recipe(stored_frame(colorspace=tag))
    assert (small.color_space, small.color_range) == (space, "limited")


@pytest.mark.parametrize("tag", [0, 2, 3, 8, 11])
def test_another_tag_is_none(tag: int) -> None:
    recipe = pixel_recipe(stored_frame(colorspace=tag, width=1280))
    assert (recipe.color_space, recipe.is_tagged) == ("bt709", False)
    assert not pixel_recipe(stored_frame(colorspace=tag)).is_tagged


@pytest.mark.parametrize(
    "facts", [{"components": ()}, {"is_rgb": True}, {"has_palette": True}], ids=str
)
def test_rgb_needs_no_conversion(facts: dict[str, Any]) -> None:
    recipe = pixel_recipe(stored_frame(**facts))
    assert (recipe.color_space, recipe.color_range, recipe.is_tagged) == ("rgb", "full", True)
    assert sws_colours(recipe) == {}


@pytest.mark.parametrize(
    ("facts", "color_range", "number"),
    [
        ({"color_range": 2}, "full", 2),
        ({"color_range": 1}, "limited", 1),
        ({"color_range": 0}, "limited", 1),
        ({"name": "yuvj420p"}, "full", 2),
    ],
)
def test_the_range_is_limited_unless_the_file_says_otherwise(
    facts: dict[str, Any], color_range: str, number: int
) -> None:
    recipe = pixel_recipe(stored_frame(colorspace=9, **facts))
    assert recipe.color_range == color_range
    assert sws_colours(recipe) == {"src_colorspace": 9, "src_color_range": number}


def test_swscale_has_numbers_of_its_own() -> None:
    numbers = [
        sws_colours(pixel_recipe(stored_frame(colorspace=tag)))["src_colorspace"]
        for tag in (1, 4, 5, 6, 7, 9, 10)
    ]
    assert numbers == [1, 4, 5, 5, 7, 9, 9]


class Unnamed(dict[str, bytes]):
    """Side data that PyAV has no name for."""

    def get(self, *_args: Any) -> Any:
        raise ValueError("34 is not a valid Type")


@pytest.mark.parametrize(
    ("rotation", "degrees"),
    [(0, 0), (-90, 90), (90, 270), (180, 180), (-180, 180), (-89, 90), (44, 0), (270, 90)],
)
def test_the_rotation_counts_where_the_display_matrix_cannot_be_read(
    rotation: int, degrees: int
) -> None:
    recipe = pixel_recipe(stored_frame(side_data=Unnamed(), rotation=rotation))
    assert (recipe.rotation_degrees, recipe.is_mirrored) == (degrees, False)
    stored = np.arange(48 * 64 * 3, dtype=np.uint32).reshape(48, 64, 3)
    turned = np.rot90(stored, -degrees // 90)
    assert recipe.shape == turned.shape
    assert np.array_equal(upright(stored, recipe), turned)  # type: ignore[arg-type]


def test_an_orientation_replaces_the_display_matrix() -> None:
    data = struct.pack("=9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    frame = stored_frame(side_data={"DISPLAYMATRIX": data})
    assert pixel_recipe(frame).rotation_degrees == 90
    recipe = pixel_recipe(frame, orientation=(-1, 0, 0, -1))
    assert (recipe.rotation_degrees, recipe.shape) == (180, (48, 64, 3))
    plain = pixel_recipe(stored_frame())
    assert (plain.rotation_degrees, plain.shape) == (0, (48, 64, 3))


@pytest.mark.parametrize(("size", "expected"), [(None, (48, 64)), ((20, 30), (20, 30))])
@pytest.mark.parametrize("turned", [False, True])
def test_frames_are_scaled_after_they_are_turned(
    size: tuple[int, int] | None, expected: tuple[int, int], turned: bool
) -> None:
    frame = VideoFrame.from_ndarray(np.full((48, 64, 3), 77, np.uint8), format="rgb24")
    recipe = pixel_recipe(frame, orientation=(0, 1, -1, 0) if turned else None)
    rgb = to_rgb(frame, recipe, size)
    assert rgb.shape == (*(expected[::-1] if turned and size is None else expected), 3)
    assert (rgb == 77).all()
