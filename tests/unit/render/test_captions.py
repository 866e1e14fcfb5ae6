import numpy as np
import pytest

from tam_video.errors import ConfigError
from tam_video.render.captions import caption_bar, with_bar

LIT = np.array((255, 200, 46))
LONG = " ".join(f"word{n}" for n in range(200))
MIXED = (
    "Ein Ä, 红色的圆形, أحمر دائرة, שלום, ру́сский, 한국어, 👩\u200d🚀 \ud800 \x00\t{\\b1}<i>\nend"
)


def bar(answer, *, width=640, height=360, question="What is it?"):
    return caption_bar(answer, question, picture_width=width, picture_height=height)


def lit_box(picture):
    ys, xs = np.nonzero((np.abs(picture.astype(int) - LIT) <= 3).all(axis=2))
    return (xs.min(), ys.min(), xs.max(), ys.max()) if len(ys) else None


def span(answer, word):
    return (answer.index(word), answer.index(word) + len(word))


def test_the_lit_word_is_where_it_stands():
    answer = "a red circle moves"
    caption = bar(answer)
    boxes = [lit_box(caption.image([span(answer, word)])) for word in answer.split()]
    assert all(boxes)
    assert [box[0] for box in boxes] == sorted(box[0] for box in boxes)
    assert len({box[1] for box in boxes}) == 1
    assert lit_box(caption.image()) is None


def test_an_arabic_line_runs_from_the_right():
    answer = "دائرة حمراء"
    caption = bar(answer)
    first, second = (lit_box(caption.image([span(answer, word)])) for word in answer.split())
    assert first[0] > second[2] - 4
    assert first[2] > caption.layout.width_px * 0.9


@pytest.mark.parametrize("word", [0, 57, 110, 199])
def test_the_lit_word_of_a_long_answer_is_always_in_sight(word):
    caption = bar(LONG)
    box = lit_box(caption.image([span(LONG, f"word{word}")]))
    assert box is not None
    assert box[3] < caption.layout.height_px - 1


@pytest.mark.parametrize(
    ("width", "height"), [(64, 64), (176, 144), (161, 121), (1280, 720), (1080, 1920), (2, 2)]
)
def test_canvas_is_wide_enough_to_read_and_even_in_height(width, height):
    caption = bar(LONG, width=width, height=height)
    layout = caption.layout
    assert layout.width_px == max(width, 240)
    assert (height + layout.height_px) % 2 == 0
    assert caption.fonts.size_px >= 13
    assert layout.visible_lines >= 2
    assert layout.height_px <= max(0.42 * height, 60)
    picture = caption.image([span(LONG, "word7")])
    assert picture.shape == (layout.height_px, layout.width_px, 3)


def test_the_question_is_above_the_answer_and_left_out_where_there_is_no_room():
    assert bar("yes").layout.question == "What is it?"
    assert bar("yes", width=176, height=100).layout.question == ""


def test_a_long_question_is_cut_to_one_line():
    layout = bar("yes", question="why " * 200).layout
    assert layout.question.endswith("…")
    assert layout.height_px < 90


@pytest.mark.parametrize("answer", ["", " ", MIXED, "\n\n", "x" * 500, "红" * 300])
def test_any_text_is_drawn(answer):
    for width in (64, 640):
        caption = bar(answer, width=width, question=answer)
        picture = caption.image([(0, len(answer))])
        assert picture.shape[1] == caption.layout.width_px


def test_equal_bars_are_drawn_once_and_few_are_kept():
    caption = bar("one two three four five six seven")
    first = caption.image([(0, 3)])
    assert caption.image([(0, 3)]) is first
    for start in range(10):
        caption.image([(start, start + 1)])
    assert len(caption._drawn) <= 4


def test_a_picture_is_kept_as_it_is_above_the_bar():
    picture = np.random.default_rng(0).integers(0, 256, (11, 5, 3), dtype=np.uint8)
    canvas = with_bar(picture, np.full((4, 9, 3), 7, dtype=np.uint8))
    assert canvas.shape == (15, 9, 3)
    np.testing.assert_array_equal(canvas[:11, 2:7], picture)
    assert canvas[:11, :2].max() == canvas[:11, 7:].max() == 0
    assert (canvas[11:] == 7).all()


def test_a_font_that_cannot_be_opened_is_a_config_error():
    with pytest.raises(ConfigError) as caught:
        caption_bar("a", "", picture_width=64, picture_height=64, font="/no/such.ttf")
    assert caught.value.hint
