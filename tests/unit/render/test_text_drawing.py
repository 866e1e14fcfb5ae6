from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from tam_video.render import text_drawing
from tam_video.render.fonts import FontStack
from tam_video.render.text_drawing import (
    cut_line,
    draw_label,
    place_pieces,
    text_image,
    write_line,
)
from tam_video.render.text_layout import one_line, split_pieces
from tam_video.render.theme import BACKGROUND

FONTS = FontStack(16)
HOSTILE = '<img src=x onerror=alert(1)> $x_{\\frac{1}{0}}$ \x00\x1b[31m \ud800 \u202eevil & "'


def test_pieces_stand_one_after_the_other_from_the_left():
    placed = place_pieces(split_pieces("a bc d"), base="L", fonts=FONTS, left=10, right=200)
    assert placed[0].x == 10
    for before, after in pairwise(placed):
        assert after.x == pytest.approx(before.x + before.length)


def test_arabic_begins_at_the_right():
    text = "دائرة حمراء"
    placed = place_pieces(split_pieces(text), base="R", fonts=FONTS, left=0, right=200)
    assert placed[-1].x + placed[-1].length == pytest.approx(200)
    assert placed[0].piece.start > placed[-1].piece.start


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(0, 200))
def test_a_cut_line_fits(text, width):
    cut = cut_line(text, width_px=width, fonts=FONTS)
    assert cut == "" or FONTS.length(cut) <= width
    assert "\n" not in cut


def test_a_line_that_fits_is_not_cut():
    assert cut_line(" two\twords ", width_px=900, fonts=FONTS) == "two words"


def test_one_line_has_nothing_that_breaks_a_file():
    line = one_line(HOSTILE)
    assert "<img src=x onerror=alert(1)>" in line
    assert not {"\x00", "\x1b", "\ud800", "\u202e"} & set(line)
    line.encode("utf-8")


@pytest.mark.parametrize("text", [HOSTILE, "", "红色 दिल 한국어 👩\u200d🚀 שלום"])
def test_any_text_is_written_as_long_as_it_measures(text):
    picture = Image.new("RGB", (900, 40))
    end = write_line(ImageDraw.Draw(picture), text, (5, 25), fonts=FONTS, fill=(255, 255, 255))
    drawn = np.flatnonzero(np.asarray(picture).any(axis=(0, 2)))
    assert drawn.max(initial=0) <= end + 2
    assert bool(len(drawn)) == bool(text)


@pytest.mark.parametrize(("width", "height"), [(2, 2), (60, 20), (400, 44)])
def test_a_label_has_its_size_whatever_it_says(width, height):
    assert draw_label(HOSTILE * 5, width=width, height=height).shape == (height, width, 3)


def ink(picture):
    """Columns and rows that are not background."""
    changed = (np.abs(picture.astype(int) - BACKGROUND) > 40).any(axis=2)
    return np.flatnonzero(changed.any(axis=0)), np.flatnonzero(changed.any(axis=1))


def test_the_baseline_of_a_label_is_in_the_middle_of_ascent_and_descent():
    _, rows = ink(draw_label("HHH", width=200, height=40))
    ascent, descent = FontStack(20).base.getmetrics()
    assert rows.max() + 1 == pytest.approx((40 + ascent - descent) / 2, abs=1)


@pytest.mark.parametrize(("anchor", "left"), [("left", 30.0), ("middle", 80.0), ("right", 130.0)])
def test_text_stands_at_its_anchor(anchor, left):
    length = FONTS.length("HIH")
    picture = text_image("HIH", 160, 30, fonts=FONTS, anchor=anchor, margin=30)
    columns, _ = ink(picture)
    start = left - {"left": 0, "middle": 0.5, "right": 1}[anchor] * length
    assert (columns.min(), columns.max()) == pytest.approx((start, start + length), abs=3)


def test_hebrew_runs_from_the_right_with_and_without_libraqm(monkeypatch):
    narrow, wide = "\u05d5", "\u05e9"  # vav and shin
    assert FONTS.length(narrow) < 0.6 * FONTS.length(wide)
    pictures = []
    for has_raqm in (text_drawing._has_raqm(), False):
        monkeypatch.setattr(text_drawing, "_has_raqm", lambda has_raqm=has_raqm: has_raqm)
        picture = Image.new("RGB", (120, 40))
        engine = ImageFont.Layout.RAQM if has_raqm else ImageFont.Layout.BASIC
        fonts = FontStack(16)
        basic = ImageFont.truetype(fonts.base.path, 16, layout_engine=engine)
        run = text_drawing.TextRun(narrow + wide, basic, True, 10, 30)
        text_drawing.draw_run(ImageDraw.Draw(picture), run, 25, (255, 255, 255))
        pictures.append(np.asarray(picture, int))
    assert np.abs(pictures[0] - pictures[1]).mean() < 2
    columns = np.flatnonzero(pictures[1].any(axis=(0, 2)))
    gap = columns[np.argmax(np.diff(columns))]
    assert gap - columns.min() > columns.max() - gap  # the wide second letter is at the left
