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
from tam_video.render.fonts import FontStack
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import COLORMAPS, color_table
from tam_video.render.text_drawing import cut_line
from tam_video.render.theme import TINT, mix
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


def plain(answer, *, size=16, width=640, room=None, lines=None, question="", **options):
    """A bar with a font size, and with room for `lines` lines."""
    fonts = FontStack(size)
    line = round(sum(fonts.base.getmetrics()) * 1.1)
    room_px = room if lines is None else 2 * (size // 2) + lines * line
    return CaptionBar(
        answer,
        question,
        width_px=width,
        room_px=room_px,
        size_px=size,
        look=RenderOptions(),
        **options,
    )


@pytest.mark.parametrize(
    ("lines", "has_choices", "has_question", "visible"),
    [
        (1, False, False, 2),  # two lines are always shown
        (2, False, False, 2),
        (3, True, False, 2),
        (4, True, True, 2),
        (7, True, True, 5),
        (8, True, True, 6),
        (12, True, True, 6),  # never more
    ],
)
def test_a_bar_uses_its_room_for_two_lines_the_choices_and_the_question(
    lines, has_choices, has_question, visible
):
    caption = plain(LONG, lines=lines, question="What is it?")
    assert caption.has_choices is has_choices
    assert bool(caption.question) is has_question
    assert caption.visible_lines == visible
    line = round(sum(FontStack(16).base.getmetrics()) * 1.1)
    assert caption.line_px == line
    height = 16 + line * (visible + has_choices + has_question)
    assert caption.height_px == height + height % 2


def test_a_pixel_less_than_a_line_gives_no_further_line():
    line = plain(LONG, lines=5).line_px
    assert plain(LONG, room=16 + 6 * line, question="why").visible_lines == 4
    assert plain(LONG, room=16 + 6 * line - 1, question="why").visible_lines == 3


def test_a_short_answer_needs_only_its_lines():
    assert plain("yes", lines=8).visible_lines == 1
    assert plain("", lines=8).visible_lines == 1
    assert plain("yes\nno", lines=8).visible_lines == 2


@pytest.mark.parametrize(("width", "has_scale"), [(478, False), (480, True), (482, True)])
def test_only_wide_bars_have_the_colour_scale(width, has_scale):
    assert plain("yes", lines=4, width=width).has_scale is has_scale
    assert plain("yes", lines=2, width=width).has_scale is False
    assert plain("yes", lines=4, width=width, has_scale=False).has_scale is False
    assert plain("yes", lines=4, width=width, has_choices=False).has_scale is False


def test_a_bar_without_choices_has_one_line_less():
    with_choices, without = (plain("yes", lines=4, has_choices=each) for each in (True, False))
    assert with_choices.height_px - without.height_px == pytest.approx(without.line_px, abs=1)
    assert not without.has_choices


def test_the_lit_box_is_around_the_word_from_ascent_to_descent():
    answer = "alpha bravo charlie"
    caption = plain(answer, lines=5, question="why")
    left, top, right, bottom = lit_box(caption.image(said(span(answer, "bravo"))))
    start = 8 + caption.fonts.length("alpha ")
    ascent, descent = caption.fonts.base.getmetrics()
    assert left == pytest.approx(start - 2, abs=1)
    assert right == pytest.approx(start + caption.fonts.length("bravo") + 2, abs=1)
    assert (top, bottom) == (8 + caption.line_px, 8 + caption.line_px + ascent + descent)


def test_the_lit_box_is_round_only_beside_a_space():
    answer = "one red, two"
    caption = plain(answer, lines=4)
    picture = caption.image(said(span(answer, "red")))
    left, top, right, bottom = lit_box(picture)
    assert right == pytest.approx(8 + caption.fonts.length("one red"), abs=1)
    assert left == pytest.approx(8 + caption.fonts.length("one ") - 2, abs=1)
    lit = (np.abs(picture.astype(int) - LIT) <= 3).all(axis=2)
    assert [bool(lit[y, x]) for y, x in ((top, left), (bottom, left))] == [False, False]
    assert [bool(lit[y, x]) for y, x in ((top, right), (bottom, right))] == [True, True]
    # The radius is a quarter of the font size.
    assert np.flatnonzero(lit[:, left]).min() - top == pytest.approx(4, abs=1)


def test_the_first_and_the_last_word_have_a_margin_too():
    caption = plain("red", lines=4)
    left, _, right, _ = lit_box(caption.image(said((0, 3))))
    assert left == 8 - 2
    assert right == pytest.approx(8 + caption.fonts.length("red") + 2, abs=1)


def test_the_letters_of_the_lit_word_are_dark_and_others_bright():
    answer = "HHH HHH"
    caption = plain(answer, lines=4)
    picture = caption.image(said((4, 7)))
    left, top, right, bottom = lit_box(picture)
    inside_box = picture[top : bottom + 1, left : right + 1].reshape(-1, 3)
    assert (inside_box == theme.ON_LIT).all(axis=1).any()
    assert not (inside_box == theme.TEXT).all(axis=1).any()
    before = picture[top : bottom + 1, :left].reshape(-1, 3)
    assert (before == theme.TEXT).all(axis=1).any()


@pytest.mark.parametrize("level", [0.2, 0.6, 1.0])
def test_a_tint_has_its_share_of_the_colour(level):
    answer = "alpha bravo"
    tints = ((span(answer, "alpha"), level),)
    picture = plain(answer, lines=4).image(said(span(answer, "bravo"), tints=tints))
    wanted = mix(theme.BACKGROUND, TINT, 0.85 * level)
    box = (picture == wanted).all(axis=2)
    columns = np.flatnonzero(box.any(axis=0))
    assert (columns.min(), columns.max()) == pytest.approx(
        (6, 10 + FontStack(16).length("alpha")), abs=1
    )


def test_the_scroll_begins_at_the_top_without_a_lit_word():
    caption = plain(LONG, lines=5)
    first = caption.image(said(span(LONG, "word0")))
    nothing = caption.image(said())
    assert lit_box(nothing) is None
    column = caption.width_px - 3
    np.testing.assert_array_equal(first[:, column], nothing[:, column])


def choice_row(caption, **options):
    """The line of the choices, with its index of the baseline."""
    picture = caption.image(said(**options))
    return picture, caption.height_px - caption.pad_px - caption.fonts.base.getmetrics()[1]


def ink_columns(part):
    return np.flatnonzero((np.abs(part.astype(int) - theme.BACKGROUND) > 60).any(axis=(0, 2)))


def test_a_choice_is_a_word_a_meter_and_a_number_with_gaps():
    caption = plain("yes", lines=4, has_scale=False)
    fonts = caption.fonts
    choices = (Choice("HHH", 0.0, True), Choice("HHH", 0.0, False))
    picture, baseline = choice_row(caption, choices=choices)
    meter = 8 + fonts.length("HHH") + 8
    # A meter of 32 px, 0.36 of the font size high; the filled part is as long as high.
    middle = round(baseline - 0.34 * 16)
    row = picture[middle]
    lit = np.flatnonzero((row == LIT).all(axis=1))
    lit = lit[lit > meter - 3]
    faint = np.flatnonzero((row == theme.FAINT).all(axis=1))
    faint = faint[faint < meter + 40]
    assert (lit.min(), lit.max()) == pytest.approx((meter, meter + 0.36 * 16), abs=1)
    assert faint.max() == pytest.approx(meter + 32, abs=1)
    column = picture[:, round(meter + 16)]
    rows = np.flatnonzero((column == theme.FAINT).all(axis=1))
    assert (rows.min(), rows.max()) == pytest.approx(
        (baseline - 0.52 * 16, baseline - 0.16 * 16), abs=1
    )
    # The number, in the dim colour, then the next choice.
    number = meter + 32 + 8
    following = number + fonts.length("<1 %") + 24
    line = picture[baseline - 12 : baseline]
    between = ink_columns(line[:, round(meter + 34) : round(number) - 1])
    assert len(between) == 0
    columns = ink_columns(line[:, round(number) : round(following) + 8]) + round(number)
    gap = int(np.diff(columns).argmax())
    assert columns[0] == pytest.approx(number, abs=3)
    assert columns[gap + 1] == pytest.approx(following, abs=3)
    words = picture[baseline - 12 : baseline, : round(meter) - 6]
    assert (words == LIT).all(axis=2).any()
    others = picture[baseline - 12 : baseline, round(following) : round(following) + 30]
    assert (others == theme.TEXT).all(axis=2).any()
    second = round(following + fonts.length("HHH") + 8 + 3)
    assert (picture[middle, second] == theme.DIM).all()


def test_a_choice_is_drawn_as_far_as_its_number_fits():
    fonts = FontStack(16)
    needed = 8 + fonts.length("HHH") + fonts.length("50 %") + 3 * 16 + 8
    for width, is_drawn in ((2 * int(needed / 2), False), (2 * int(needed / 2) + 2, True)):
        caption = plain("yes", lines=4, width=width)
        picture, baseline = choice_row(caption, choices=(Choice("HHH", 0.5, True),))
        assert bool(len(ink_columns(picture[baseline - 12 : baseline]))) is is_drawn


def test_a_long_choice_is_cut_to_eight_font_sizes():
    fonts = FontStack(16)
    caption = plain("yes", lines=4, has_scale=False)
    picture, _baseline = choice_row(caption, choices=(Choice("H" * 50, 0.5, True),))
    cut = cut_line("H" * 50, width_px=8 * 16, fonts=fonts)
    assert 100 < fonts.length(cut) <= 128
    whole = caption.image(said(choices=(Choice(cut, 0.5, True),)))
    np.testing.assert_array_equal(picture, whole)


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_the_colour_scale_has_every_level_at_its_position(threshold):
    size, width = 16, 640
    look = RenderOptions(threshold=threshold)
    caption = CaptionBar("yes", "", width_px=width, room_px=120, size_px=size, look=look)
    picture, baseline = choice_row(caption)
    fonts = caption.fonts
    left = width - 8 - fonts.length("1") - 80 - 8
    columns = (left + np.arange(80)).astype(int)
    levels = np.arange(80) / 79
    colors = color_table("turbo")[np.rint(255 * levels).astype(int)].astype(float)
    shares = 0.25 + 0.75 * np.where(levels >= threshold, levels, 0.0)
    wanted = np.rint(theme.BACKGROUND + (colors - theme.BACKGROUND) * shares[:, None])
    got = picture[round(baseline - 0.34 * size), columns].astype(int)
    assert np.abs(got - wanted).max() <= 12  # a column beside it where its position is rounded
    assert np.abs(got - wanted).mean() <= 3
    last = picture[:, columns[-1]].astype(int)
    rows = np.flatnonzero((np.abs(last - wanted[-1]).max(axis=1)) <= 12)
    assert (rows.min(), rows.max()) == pytest.approx(
        (baseline - 0.56 * size, baseline - 0.12 * size), abs=1
    )
    line = picture[baseline - 12 : baseline + 1]
    one = ink_columns(line[:, int(left) + 82 :]) + int(left) + 82
    assert (one.min(), one.max()) == pytest.approx(
        (width - 8 - fonts.length("1"), width - 8), abs=3
    )
    zero = left - fonts.length("0") - 8
    start = ink_columns(line[:, : int(left) - 2])
    assert (start.min(), start.max()) == pytest.approx((zero, zero + fonts.length("0")), abs=3)


def test_choices_end_before_the_colour_scale():
    fonts = FontStack(16)
    zero = 480 - 8 - fonts.length("1") - 80 - 8 - fonts.length("0") - 8
    choice = 8 + fonts.length("HHH") + fonts.length("50 %") + 3 * 16
    assert 1 < (zero - 8) / choice < 3
    widths = []
    for has_scale in (True, False):
        caption = plain("yes", lines=4, width=480, has_scale=has_scale)
        choices = (Choice("HHHHHHHHH", 0.5, True), Choice("HHHHHHHHHH", 0.5, False))
        picture, baseline = choice_row(caption, choices=choices)
        line = picture[baseline - 12 : baseline, : int(zero) - 1]
        widths.append(ink_columns(line).max())
    assert widths[0] < widths[1]
