"""Colour and orientation of decoded pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from odd_clips import X264, ffmpeg

from tam_video.types import ByteArray
from tam_video.video import open_video
from tam_video.video.pixels import PixelRecipe, _orientation, upright

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
