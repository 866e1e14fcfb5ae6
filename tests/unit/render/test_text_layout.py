import pytest
from hypothesis import given
from hypothesis import strategies as st
from uniseg.graphemecluster import grapheme_clusters

from tam_video.render.text_layout import (
    Piece,
    base_direction,
    inside,
    split_at_spans,
    split_pieces,
    visual_order,
    wrap,
)

ARABIC, HEBREW = "مرحبا", "שלום"
any_text = st.text(st.characters(), max_size=60)


def texts(pieces):
    return [piece.text for piece in pieces]


def one_each(text):
    return float(len(list(grapheme_clusters(text))))


@given(any_text)
def test_pieces_cover_the_text_in_order(text):
    pieces = split_pieces(text)
    bounds = [0, *(piece.end for piece in pieces)]
    assert bounds[-1] == len(text)
    assert [piece.start for piece in pieces] == bounds[:-1]


def test_breaks_come_around_spaces_and_wide_characters():
    assert texts(split_pieces("a bc\td\ne")) == ["a", " ", "bc", " ", "d", "\n", "e"]
    assert texts(split_pieces("红色circle圆")) == ["红", "色", "circle", "圆"]


def test_closing_punctuation_stays_with_the_character_before_it():
    assert texts(split_pieces("红色，圆。")) == ["红", "色，", "圆。"]


def test_a_character_made_of_several_code_points_is_not_broken():
    family = "👩\u200d👩\u200d👧"
    assert texts(split_pieces(family)) == [family]
    assert texts(split_pieces("か\u3099き")) == ["か\u3099", "き"]


def test_what_cannot_be_drawn_is_replaced_one_for_one():
    assert texts(split_pieces("a\ud800b")) == ["a\ufffdb"]
    assert texts(split_pieces("a\u202eb")) == ["a\u200cb"]


@given(any_text, st.integers(1, 20))
def test_no_line_is_too_wide_and_nothing_visible_is_lost(text, width):
    lines = wrap(text, width_px=width, length=one_each)
    pieces = [piece for line in lines for piece in line]
    for line in lines:
        assert one_each("".join(texts(line)).rstrip(" ")) <= max(width, 1)
    kept = {index for piece in pieces for index in range(piece.start, piece.end)}
    wanted = {
        index
        for piece in split_pieces(text)
        if piece.text not in (" ", "\n")
        for index in range(piece.start, piece.end)
    }
    assert wanted <= kept


def test_words_wrap_and_line_breaks_hold():
    lines = wrap("one two three\n\nfour", width_px=8, length=one_each)
    assert ["".join(texts(line)).strip() for line in lines] == ["one two", "three", "four"]


def test_a_word_wider_than_the_line_is_cut():
    lines = wrap("abcdefgh", width_px=3, length=one_each)
    assert [texts(line) for line in lines] == [["abc"], ["def"], ["gh"]]
    assert [(line[0].start, line[0].end) for line in lines] == [(0, 3), (3, 6), (6, 8)]


def test_empty_text_has_no_lines():
    assert wrap("", width_px=10, length=one_each) == []
    assert wrap(" \n ", width_px=10, length=one_each) == []


def test_a_span_inside_a_piece_cuts_it():
    pieces = split_at_spans(split_pieces("a star."), [(2, 6)])
    assert texts(pieces) == ["a", " ", "star", "."]
    assert [inside(piece, [(2, 6)]) for piece in pieces] == [False, False, True, False]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("abc", "L"), (ARABIC, "R"), (HEBREW, "R"), ("12 " + HEBREW, "R"), ("12 .", "L")),
        *(("", "L"), ("\n\ud800 " + HEBREW, "R"), ("\u202ea", "L")),
    ],
)
def test_direction_is_that_of_the_first_letter(text, wanted):
    assert base_direction(text) == wanted


def order(line, base="L"):
    pieces = [Piece(text, at, at + 1) for at, text in enumerate(line)]
    return texts(visual_order(pieces, base=base))


def test_left_to_right_lines_stay_as_they_are():
    assert order(["a", " ", "b"]) == ["a", " ", "b"]


def test_right_to_left_lines_are_turned():
    assert order([ARABIC, " ", HEBREW], "R") == [HEBREW, " ", ARABIC]


def test_a_foreign_phrase_keeps_its_own_order():
    assert order(["x", " ", ARABIC, " ", HEBREW, " ", "y"]) == [
        *("x", " ", HEBREW, " ", ARABIC, " ", "y")
    ]
    assert order([ARABIC, " ", "x", " ", "y", " ", HEBREW], "R") == [
        *(HEBREW, " ", "x", " ", "y", " ", ARABIC)
    ]


def test_a_span_that_ends_with_a_piece_adds_no_piece():
    assert texts(split_at_spans(split_pieces("a b"), [(0, 1), (2, 3)])) == ["a", " ", "b"]


def runs(text, base):
    return [(piece.text, piece.is_rtl) for piece in visual_order(split_pieces(text), base=base)]


def test_lines_break_after_hyphens_and_slashes_and_not_within_numbers():
    assert texts(split_pieces("well-known a/b 3.5 (x)")) == [
        *("well-", "known", " ", "a/", "b", " ", "3.5", " ", "(x)")
    ]


def test_a_piece_is_split_where_the_direction_changes():
    assert runs(f"a{HEBREW}b", "L") == [("a", False), (HEBREW, True), ("b", False)]


def test_brackets_and_numbers_have_their_place_in_a_line_from_right_to_left():
    assert runs(f"{HEBREW} (a b) 3.5 {HEBREW}", "R") == [
        *((HEBREW, True), (" ", True), ("3.5", False), (" ", True), (")", True)),
        *(("a", False), (" ", False), ("b", False), ("(", True), (" ", True), (HEBREW, True)),
    ]


@given(any_text, st.sampled_from(["L", "R"]))
def test_visual_order_keeps_every_character(text, base):
    pieces = split_pieces(text)
    ordered = visual_order(pieces, base=base)
    covered = sorted((piece.start, piece.end) for piece in ordered)
    assert [start for start, _ in covered] == [0, *(end for _, end in covered)][: len(covered)]
    assert sorted("".join(texts(ordered))) == sorted("".join(texts(pieces)))


def test_many_combining_marks_are_laid_out_in_time():
    text = "a" + "\u0301" * 10_000
    lines = wrap(text, width_px=40, length=lambda part: 8.0 * len(part.strip("\u0301")))
    assert "".join("".join(texts(line)) for line in lines) == text


def test_a_wide_word_is_split_between_grapheme_clusters():
    family = "👩\u200d👩\u200d👧"
    lines = wrap(family * 3, width_px=2, length=one_each)
    assert [texts(line) for line in lines] == [[family, family], [family]]
