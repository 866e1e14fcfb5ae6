import numpy as np
import pytest

from tam_video.errors import ConfigError
from tam_video.render import theme
from tam_video.render.captions import (
    CaptionBar,
    font_size,
    percent,
    shown_token,
)
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import COLORMAPS
from tam_video.render.theme import TINT
from tam_video.render.turns import Choice, Subject

LIT = np.array((255, 200, 46))
LONG = " ".join(f"word{n}" for n in range(200))
MIXED = (
    "Ein Ä, 红色的圆形, أحمر دائرة, שלום, ру́сский, 한국어, 👩\u200d🚀 \ud800 \x00\t{\\b1}<i>\nend"
)


def bar(answer, *, width=640, height=360, question="What is it?"):
    room = 0.4 * height
    wide = max(width, 240)
    size = font_size(wide, room)
    return CaptionBar(
        answer,
        question,
        width_px=wide,
        room_px=room,
        size_px=size,
        look=RenderOptions(),
        has_scale=False,
    )


def said(*spans, tints=(), choices=()):
    return Subject(text="", maps=None, spans=spans, tints=tints, choices=choices)


def lit_box(picture):
    ys, xs = np.nonzero((np.abs(picture.astype(int) - LIT) <= 3).all(axis=2))
    return (xs.min(), ys.min(), xs.max(), ys.max()) if len(ys) else None


def span(answer, word):
    return (answer.index(word), answer.index(word) + len(word))


def test_the_lit_word_is_where_it_stands():
    answer = "a red circle moves"
    caption = bar(answer)
    boxes = [lit_box(caption.image(said(span(answer, word)))) for word in answer.split()]
    assert all(boxes)
    assert [box[0] for box in boxes] == sorted(box[0] for box in boxes)
    assert len({box[1] for box in boxes}) == 1
    assert lit_box(caption.image(said())) is None


def test_an_arabic_line_runs_from_the_right():
    answer = "دائرة حمراء"
    caption = bar(answer)
    first, second = (lit_box(caption.image(said(span(answer, word)))) for word in answer.split())
    assert first[0] > second[2] - 4
    assert first[2] > caption.width_px * 0.9


@pytest.mark.parametrize("word", [0, 57, 110, 199])
def test_the_lit_word_of_a_long_answer_is_always_in_sight(word):
    caption = bar(LONG)
    box = lit_box(caption.image(said(span(LONG, f"word{word}"))))
    assert box is not None
    assert box[3] < caption.height_px - 1


@pytest.mark.parametrize(
    ("width", "height"), [(64, 64), (176, 144), (161, 121), (1280, 720), (1080, 1920), (2, 2)]
)
def test_bar_can_be_read_and_leaves_the_picture_its_room(width, height):
    caption = bar(LONG, width=width, height=height)
    layout = caption
    assert layout.height_px % 2 == 0
    assert caption.fonts.size_px >= 13
    assert layout.visible_lines >= 2
    assert layout.height_px <= max(0.42 * height, 60)
    picture = caption.image(said(span(LONG, "word7")))
    assert picture.shape == (layout.height_px, layout.width_px, 3)


def test_the_question_is_above_the_answer_and_left_out_where_there_is_no_room():
    assert bar("yes").question == "What is it?"
    assert bar("yes", width=176, height=100).question == ""


def test_a_long_question_is_cut_to_one_line():
    layout = bar("yes", question="why " * 200)
    assert layout.question.endswith("…")
    assert layout.height_px < 100


@pytest.mark.parametrize("answer", ["", " ", MIXED, "\n\n", "x" * 500, "红" * 300])
def test_any_text_is_drawn(answer):
    for width in (64, 640):
        caption = bar(answer, width=width, question=answer)
        whole = (0, len(answer))
        choices = (Choice(answer, 0.5, True), Choice("", 1.0, False))
        picture = caption.image(said(whole, tints=((whole, 0.5),), choices=choices))
        assert picture.shape[1] == caption.width_px


def test_a_subject_is_drawn_once_and_few_are_kept():
    caption = bar("one two three four five six seven")
    subject = said((0, 3))
    first = caption.image(subject)
    assert caption.image(subject) is first
    for start in range(10):
        caption.image(said((start, start + 1)))
    assert caption.image.cache_info().currsize <= 4


def blue(picture):
    """How far the pixels behind a word are tinted."""
    return (picture.astype(int) @ (-1, 0, 1)).clip(0).max(axis=(0,))


def test_words_said_before_are_tinted_by_their_relevance():
    answer = "alpha bravo charlie"
    caption = bar(answer)
    levels = {0.0: 0, 0.3: 0, 1.0: 0}
    for level in levels:
        subject = said(span(answer, "charlie"), tints=((span(answer, "alpha"), level),))
        levels[level] = int(blue(caption.image(subject))[:60].max())
    full = TINT[2] - TINT[0]
    assert levels[0.0] < levels[0.3] < levels[1.0] <= full
    assert levels[1.0] > 0.7 * full


def test_the_lit_word_leaves_the_comma_after_it_readable():
    answer = "red, green"
    caption = bar(answer)
    _, _, right, _ = lit_box(caption.image(said(span(answer, "red"))))
    start = caption.fonts.length("red") + caption.pad_px
    assert right <= start + 1


def test_choices_are_listed_with_their_probability_as_far_as_there_is_room():
    choices = tuple(Choice(f"token{n}", 0.3, n == 0) for n in range(3))
    ends = []
    for count in range(4):
        drawn = bar("yes").image(said(choices=choices[:count]))
        row = drawn[-int(0.3 * len(drawn)) :]
        ends.append(
            int(np.nonzero((row.astype(int).max(axis=2) > 100).any(axis=0))[0].max(initial=0))
        )
    assert ends == sorted(set(ends))
    narrow = bar("yes", width=240, height=400)
    np.testing.assert_array_equal(
        narrow.image(said(choices=choices)), narrow.image(said(choices=choices[:2]))
    )


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_the_legend_shows_the_colours_that_are_drawn(colormap):
    caption, cut = (
        CaptionBar(
            "yes",
            "",
            width_px=800,
            room_px=200,
            size_px=20,
            look=RenderOptions(colormap=colormap, threshold=threshold),
        )
        for threshold in (0.0, 0.9)
    )
    whole, above = (each.image(said()).astype(int) for each in (caption, cut))
    assert np.ptp(whole[:, 650:780], axis=2).max() > 60
    assert np.ptp(above[:, 650:700], axis=2).mean() < np.ptp(whole[:, 650:700], axis=2).mean()


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        (0.0, "<1 %"),
        (0.004, "<1 %"),
        (0.5, "50 %"),
        (0.99, "99 %"),
        (0.9999, ">99 %"),
        (1, "100 %"),
    ],
)
def test_a_probability_is_never_rounded_to_certainty(probability, shown):
    assert percent(probability) == shown


@pytest.mark.parametrize(
    ("token", "shown"), [(" cat", "cat"), ("\n", "⏎"), (" ", "␣"), ("", "…"), ("<b>", "<b>")]
)
def test_a_token_can_always_be_seen(token, shown):
    assert shown_token(token) == shown


def test_a_font_that_cannot_be_opened_is_a_config_error():
    look = RenderOptions(font="/no/such.ttf")
    with pytest.raises(ConfigError) as caught:
        CaptionBar("a", "", width_px=64, room_px=64, size_px=13, look=look)
    assert caught.value.hint


def rows_of(caption, picture):
    """Index of the answer's row in which the lit word is."""
    top = caption.pad_px + (caption.line_px if caption.question else 0)
    row, rest = divmod(lit_box(picture)[1] - top, caption.line_px)
    assert rest <= 1
    return row


def test_the_line_of_the_lit_word_is_the_second_one_where_it_can_be():
    caption = bar(LONG)
    visible, total = caption.visible_lines, len(caption.lines)
    assert 2 < visible < total
    for index, line in enumerate(caption.lines):
        word = next(piece for piece in line if piece.text.startswith("word"))
        picture = caption.image(said((word.start, word.end)))
        first = min(max(index - 1, 0), total - visible)
        assert rows_of(caption, picture) == index - first


def test_the_scroll_mark_has_the_share_and_the_position_of_the_visible_lines():
    caption = bar(LONG)
    visible, total = caption.visible_lines, len(caption.lines)
    word = next(piece for piece in caption.lines[7] if piece.text.startswith("word"))
    column = caption.image(said((word.start, word.end)))[:, caption.width_px - 3]
    top = caption.pad_px + caption.line_px
    room = visible * caption.line_px
    bright, faint = (
        np.flatnonzero((column == color).all(axis=1)) for color in (theme.DIM, theme.FAINT)
    )
    assert (faint.min(), max(faint.max(), bright.max())) == (top, top + room)
    assert bright.min() == pytest.approx(top + room * 6 / total, abs=1)
    assert bright.max() == pytest.approx(top + room * (6 + visible) / total, abs=1)


def test_an_answer_that_fits_has_no_scroll_mark():
    caption = bar("one line")
    assert (caption.image(said())[:, caption.width_px - 3] == theme.BACKGROUND).all()


def test_the_meter_of_a_choice_is_filled_by_its_probability():
    widths = []
    for probability in (0.25, 0.5, 1.0):
        caption = bar("yes")
        drawn = caption.image(said(choices=(Choice("a", probability, True),)))
        size = caption.fonts.size_px
        start = caption.pad_px + caption.fonts.length("a") + size / 2
        baseline = caption.height_px - caption.pad_px - caption.fonts.base.getmetrics()[1]
        left = int(start) - 1
        row = drawn[round(baseline - 0.34 * size), left : round(start + 2 * size) + 2]
        lit = left + np.flatnonzero((np.abs(row.astype(int) - LIT) <= 3).all(axis=1))
        assert lit.min() == pytest.approx(start, abs=2)
        widths.append(lit.max() - start)
    assert widths == pytest.approx([0.5 * size, size, 2 * size], abs=2)


@pytest.mark.parametrize(
    ("width", "room", "size"),
    [
        (640, 400, 18),
        (1280, 400, 28),
        (9000, 900, 48),
        (640, 120, 16),
        (64, 400, 13),
        (640, 20, 13),
    ],
)
def test_the_font_grows_with_the_canvas_as_far_as_the_bar_has_room(width, room, size):
    assert font_size(width, room) == size
