from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.render.canvas import Rect
from tam_video.render.panes import GAP_PX, Tiling, best_tiling, display_aspect
from tam_video.types import VideoInfo

ROOM = (1920, 1000)


def info(width, height, aspect=1):
    return VideoInfo(
        Path("c.mp4"), 1, width, height, Fraction(25), 1.0, sample_aspect_ratio=Fraction(aspect)
    )


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 30), st.integers(2, 4000), st.integers(2, 3000), st.integers(0, 30))
def test_cells_are_even_do_not_overlap_and_keep_the_shape(count, width, height, half_extra):
    extra = 2 * half_extra
    tiling = best_tiling(count, info(width, height), extra_px=extra, room_px=ROOM)
    places = [tiling.rect(n, above_px=extra, below_px=0) for n in range(count)]
    whole = tiling.size(count, above_px=extra, below_px=0)
    taken = set()
    for place in places:
        assert place.x + place.width <= whole[0]
        assert place.y + place.height <= whole[1]
        taken.add((place.x // (place.width + GAP_PX), place.y // (extra + place.height + GAP_PX)))
    assert len(taken) == count
    if min(tiling.width, tiling.height) > 20:
        assert tiling.width / tiling.height == pytest.approx(width / height, rel=0.15)


@pytest.mark.parametrize("count", [1, 2, 3, 6, 12])
@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (640, 272), (3840, 2160)])
def test_pictures_fit_the_room_and_are_not_larger_than_the_source(count, size):
    tiling = best_tiling(count, info(*size), extra_px=30, room_px=ROOM)
    width, height = tiling.size(count, above_px=30, below_px=0)
    assert width <= ROOM[0]
    assert height <= ROOM[1] + 2
    assert tiling.width <= max(size[0], 320)


def test_the_number_of_columns_makes_the_pictures_large():
    assert best_tiling(4, info(1280, 720), extra_px=0, room_px=ROOM).columns == 2
    assert best_tiling(4, info(480, 1920), extra_px=0, room_px=ROOM).columns == 4
    assert best_tiling(2, info(1280, 720), extra_px=0, room_px=ROOM, columns=2).columns == 2


def test_pixels_that_are_not_square_are_shown_as_players_show_them():
    assert display_aspect(info(720, 576, Fraction(16, 11))) == pytest.approx(1.818, abs=1e-3)
    tiling = best_tiling(1, info(100, 100, 2), extra_px=0, room_px=ROOM)
    assert tiling.width == 2 * tiling.height


def test_no_cell_is_a_programming_mistake():
    with pytest.raises(ValueError, match="empty"):
        best_tiling(0, info(8, 8), extra_px=0, room_px=ROOM)


def test_a_picture_stands_below_the_space_above_it():
    tiling = Tiling(2, 100, 50)
    got = [tiling.rect(index, above_px=10, below_px=6) for index in range(3)]
    assert got == [Rect(0, 10, 100, 50), Rect(108, 10, 100, 50), Rect(0, 84, 100, 50)]
    assert tiling.size(1, above_px=10, below_px=6) == (100, 66)
    assert tiling.size(2, above_px=10, below_px=6) == (208, 66)
    assert tiling.size(3, above_px=10, below_px=6) == (208, 140)


@pytest.mark.parametrize(
    ("count", "columns"), [(1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (6, 3), (7, 4), (8, 4)]
)
def test_of_equally_large_tilings_the_one_nearest_to_a_screen_is_taken(count, columns):
    # The pictures have 320 x 180 px in all of them. For 7: 4 columns have the aspect 1304 / 368,
    # 1.99 times a screen's, and 1 empty cell; 3 columns 1.01 times, but 2 empty cells.
    tiling = best_tiling(count, info(160, 90), extra_px=0, room_px=(1920, 1080))
    assert (tiling.width, tiling.height) == (320, 180)
    assert tiling.columns == columns


@pytest.mark.parametrize(
    ("size", "options", "tile"),
    [
        ((1280, 720), {"extra_px": 0}, (1280, 720)),  # not larger than the source
        ((100, 50), {"extra_px": 0}, (320, 160)),  # but a very small source is enlarged
        ((50, 100), {"extra_px": 0}, (160, 320)),  # to the same longer side
        ((40, 400), {"extra_px": 0}, (80, 800)),  # at least 80 px wide
        ((40, 400), {"extra_px": 0, "min_width_px": 240}, (240, 2400)),
        ((2000, 2000), {"extra_px": 100}, (900, 900)),  # 1000 - 100
        ((4000, 500), {"extra_px": 100}, (1920, 240)),
        ((2000, 2000), {"extra_px": 100, "columns": 1}, (900, 900)),
    ],
)
def test_the_size_of_one_picture(size, options, tile):
    tiling = best_tiling(1, info(*size), room_px=ROOM, **options)
    assert (tiling.width, tiling.height) == tile


def test_two_rows_share_the_height_and_two_columns_the_width():
    tiling = best_tiling(2, info(4000, 2000), extra_px=20, room_px=ROOM, columns=1)
    assert (tiling.columns, tiling.width) == (1, 952)  # ((1000 - 8) / 2 - 20) * 2
    tiling = best_tiling(3, info(4000, 2000), extra_px=20, room_px=ROOM, columns=2)
    assert (tiling.columns, tiling.width) == (2, 952)
    tiling = best_tiling(3, info(4000, 2000), extra_px=20, room_px=ROOM, columns=3)
    assert (tiling.columns, tiling.width, tiling.height) == (3, 634, 318)  # (1920 - 16) / 3
