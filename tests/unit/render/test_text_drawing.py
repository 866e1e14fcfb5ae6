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
    line_runs,
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


@pytest.mark.parametrize("text", ["two words and more", "红色圆形红色", "WWWiiiWWW"])
def test_a_cut_line_is_as_long_as_the_width_allows(text):
    whole = FONTS.length(text)
    for width in np.arange(0, whole + 3, 3.5):
        cuts = [f"{text[:count].rstrip()}…" for count in range(1, len(text) + 1)]
        fitting = [cut for cut in cuts if FONTS.length(cut) <= width]
        wanted = text if whole <= width else max(fitting, key=len, default="")
        assert cut_line(text, width_px=width, fonts=FONTS) == wanted
    assert cut_line(text, width_px=whole, fonts=FONTS) == text


@pytest.mark.parametrize("text", ["abc 红 def", "שלום abc", "أحمر"])
@pytest.mark.parametrize(("anchor", "share"), [("left", 0.0), ("middle", 0.5), ("right", 1.0)])
def test_the_runs_of_a_line_follow_each_other_from_its_anchor(text, anchor, share):
    runs = line_runs(text, 100, fonts=FONTS, anchor=anchor)
    length = sum(run.length for run in runs)
    assert runs[0].x == pytest.approx(100 - share * length)
    for before, after in pairwise(runs):
        assert after.x == pytest.approx(before.x + before.length)


def test_text_without_a_visible_character_has_no_run():
    assert line_runs(" \n\t", 5, fonts=FONTS) == []
    draw = ImageDraw.Draw(Image.new("RGB", (40, 40)))
    assert write_line(draw, "", (7, 20), fonts=FONTS, fill=(9, 9, 9)) == 7


def test_writing_returns_the_right_end_of_the_text():
    draw = ImageDraw.Draw(Image.new("RGB", (300, 40)))
    for text in ("abc", "abc 红 def"):
        end = write_line(draw, text, (7, 20), fonts=FONTS, fill=(9, 9, 9))
        assert end == pytest.approx(7 + FONTS.length(text))


def test_text_is_drawn_on_its_baseline_in_its_colour():
    picture = Image.new("RGB", (60, 40))
    write_line(ImageDraw.Draw(picture), "HH", (7, 25), fonts=FONTS, fill=(200, 100, 50))
    pixels = np.asarray(picture)
    rows = np.flatnonzero(pixels.any(axis=(1, 2)))
    assert rows.max() == 24
    assert (pixels == (200, 100, 50)).all(axis=2).any()


@pytest.mark.parametrize(("height", "size"), [(44, 22), (30, 15), (12, 8), (17, 8), (19, 10)])
def test_a_label_has_half_its_height_as_font_size_and_a_margin_of_half_of_that(height, size):
    fonts = FontStack(size)
    columns, _ = ink(draw_label("HH", width=200, height=height))
    start = size // 2
    assert columns.min() == pytest.approx(start + size * 0.1, abs=1.1)
    assert columns.max() == pytest.approx(start + fonts.length("HH") - size * 0.1, abs=1.5)


def test_a_long_label_leaves_the_margin_free_at_both_sides():
    columns, _ = ink(draw_label("H" * 60, width=200, height=40))
    assert 10 <= columns.min() <= 14
    assert 200 - 10 - 17 <= columns.max() < 200 - 10


def test_a_label_is_cut_where_its_text_is_wider_than_between_the_margins():
    narrow = int(FontStack(20).length("HHH") + 20)
    whole, wide, cut = (draw_label("HHH", width=narrow + more, height=40) for more in (9, 1, 0))
    np.testing.assert_array_equal(wide, whole[:, : narrow + 1])
    assert (cut != whole[:, :narrow]).any()


def test_a_text_image_has_no_margin_by_default():
    for anchor, share in (("left", 0.0), ("middle", 0.5), ("right", 1.0)):
        columns, rows = ink(text_image("HIH", 160, 30, fonts=FONTS, anchor=anchor))
        start = share * (160 - FONTS.length("HIH"))
        assert columns.min() == pytest.approx(start, abs=3)
        ascent, descent = FONTS.base.getmetrics()
        assert rows.max() + 1 == pytest.approx((30 + ascent - descent) / 2, abs=1)
