from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from render_cases import explanation

from tam_video.render import preview
from tam_video.render.context import RenderContext
from tam_video.render.fonts import FontStack
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import color_table
from tam_video.render.schedule import ClipClock
from tam_video.render.sheet import SheetPicture, SheetText
from tam_video.render.stills import contact_sheet, write_stills
from tam_video.types import Candidate, FrameBatch, Message, VideoInfo, VisualLayout


class FakeReader:
    """A video of gray frames whose brightness is their index."""

    def __init__(self, num_frames, *, duration=4.0):
        self.info = VideoInfo(Path("c.mp4"), num_frames, 64, 32, Fraction(1), duration)
        self.pts = np.arange(num_frames) * duration / num_frames
        self.read_indices = []
        self.timeline = type("Timeline", (), {"pts_seconds": self.pts})

    def read(self, indices):
        self.read_indices += [int(index) for index in indices]
        frames = np.stack([np.full((32, 64, 3), index, np.uint8) for index in indices])
        return FrameBatch(frames, np.asarray(indices), self.pts[np.asarray(indices)], self.info)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def four_frames():
    """Two slots of two frames each."""
    seen = explanation()
    layout = VisualLayout(2, 1, 1, ((0, 1), (2, 3)))
    info = FakeReader(4).info
    first = replace(
        seen.inputs[0],
        info=info,
        indices=np.arange(4),
        pts_seconds=np.arange(4.0),
        layout=layout,
    )
    return replace(seen, inputs=(first,))


def sheet(**options):
    reader = FakeReader(4)
    clip = ClipClock(reader.pts, end_seconds=4.0)
    context = RenderContext(reader.info, clip, RenderOptions(**options), matrix=1, step=1)
    return contact_sheet(four_frames(), reader, context), reader


def test_a_slot_is_shown_by_its_middle_frame_at_the_slot_time():
    drawn, reader = sheet()
    assert reader.read_indices == [1, 3]
    times = [item.text for item in drawn.items if isinstance(item, SheetText)]
    assert "0:00.5" in times
    assert "0:02.5" in times


def test_the_hottest_slot_of_each_row_has_a_frame_of_three_pixels():
    drawn, _ = sheet(opacity=0.0)
    tiles = [item for item in drawn.items if isinstance(item, SheetPicture)][:4]
    accent = np.array((224, 112, 0))
    for index, tile in enumerate(tiles):
        framed = (tile.rgb == accent).all(axis=2)
        wanted = np.zeros_like(framed)
        if index % 2 == 1:  # the second slot is the hotter one
            wanted[:3] = wanted[-3:] = wanted[:, :3] = wanted[:, -3:] = True
        np.testing.assert_array_equal(framed, wanted)


def test_the_tiles_of_a_sheet_do_not_overlap_and_fit_the_page():
    drawn, _ = sheet()
    tiles = [item for item in drawn.items if isinstance(item, SheetPicture)][:4]
    height, width = tiles[0].rgb.shape[:2]
    assert width == 2 * height
    assert [tile.x - tiles[0].x for tile in tiles] == [0, width + 8, 0, width + 8]
    assert [tile.y - tiles[0].y for tile in tiles] == [0, 0, height + 8, height + 8]
    assert drawn.width == tiles[1].x + width + 36
    assert drawn.height > tiles[3].y + height


def test_a_preview_samples_the_middles_of_equal_steps(monkeypatch):
    reader = FakeReader(10, duration=1.0)
    monkeypatch.setattr(preview, "open_video", lambda _: reader)
    frames = preview._sampled_frames(Path("c.mp4"))
    assert reader.read_indices == [0, 1, 3, 4, 5, 6, 8, 9]
    assert [int(frame[0, 0, 0]) for frame in frames] == reader.read_indices


BIG, SMALL = FontStack(24), FontStack(17)
LINE_PX = 1.35 * 24


def gridded(words, slots, *, size=(64, 32), answer=None, **options):
    """The sheet of an answer of content words, over a clip with a frame for each slot."""
    seen = explanation(answer or " ".join(words), tuple(words))
    count = len(seen.words)
    maps = np.linspace(0, 1, (count + 1) * slots, dtype=np.float32).reshape(-1, slots, 1, 1)
    reader = FakeReader(slots)
    reader.info = replace(reader.info, width=size[0], height=size[1])
    first = replace(
        seen.inputs[0],
        info=reader.info,
        indices=np.arange(slots),
        pts_seconds=reader.pts,
        layout=VisualLayout(slots, 1, 1, tuple((slot,) for slot in range(slots))),
        maps=maps,
        word_maps=maps[1:].copy(),
    )
    seen = replace(seen, inputs=(first,))
    clip = ClipClock(reader.pts, end_seconds=4.0)
    context = RenderContext(reader.info, clip, RenderOptions(**options), matrix=1, step=1)
    return contact_sheet(seen, reader, context), reader


def tiles_of(drawn):
    """All pictures but the colour scale, which is the last one."""
    return [item for item in drawn.items if isinstance(item, SheetPicture)][:-1]


def texts_of(drawn):
    return [item for item in drawn.items if isinstance(item, SheetText)]


@pytest.mark.parametrize(
    ("rows", "slots", "size", "tile"),
    [
        (1, 1, (64, 32), (320, 160)),  # the largest
        (1, 8, (64, 32), (202, 100)),  # 1680 / 8 - 8 = 202
        (1, 6, (60, 20), (272, 90)),  # 1680 / 6 - 8 = 272; 272 / 3 = 90.7
        (10, 1, (32, 32), (192, 192)),  # 2000 / 10 - 8 = 192
        (20, 2, (64, 32), (184, 92)),  # (2000 / 20 - 8) * 2 = 184
        (24, 1, (32, 32), (120, 120)),  # the smallest
    ],
)
def test_tiles_are_as_large_as_the_rows_and_columns_allow(rows, slots, size, tile):
    drawn, _ = gridded([f"w{n}" for n in range(rows)], slots, size=size)
    tiles = tiles_of(drawn)
    assert len(tiles) == rows * slots
    assert {(each.rgb.shape[1], each.rgb.shape[0]) for each in tiles} == {tile}


def test_columns_are_spread_evenly_over_many_slots():
    _, reader = gridded(["red"], 20)
    assert reader.read_indices == [0, 3, 5, 8, 11, 14, 16, 19]
    _, reader = gridded(["red"], 8)
    assert reader.read_indices == [*range(8)]


def test_a_sheet_has_at_most_twenty_four_rows_in_the_order_of_the_answer():
    drawn, _ = gridded([f"w{n}" for n in range(30)], 1)
    labels = [item.text for item in texts_of(drawn) if item.anchor == "right"][:-2]
    assert labels == [f"w{n}" for n in range(24)]


def test_an_empty_answer_has_one_row_without_a_frame():
    drawn, _ = gridded([], 2, answer=" ")
    tiles = tiles_of(drawn)
    assert len(tiles) == 2
    for tile in tiles:
        assert not (tile.rgb == (224, 112, 0)).all(axis=2).any()


def test_every_item_of_a_sheet_is_at_its_position():
    drawn, _ = gridded(["red", "circle"], 2)
    label = int(BIG.length("circle")) + 16 + 24
    left, top = 36 + label, 72 + 32 + 51  # one line of the answer, 32.4 px
    tiles = tiles_of(drawn)
    assert [(each.x, each.y) for each in tiles] == [
        (left, top),
        (left + 328, top),
        (left, top + 168),
        (left + 328, top + 168),
    ]
    assert drawn.width == left + 2 * 328 - 8 + 36
    assert drawn.height == top + 2 * 168 + 54
    question, answer, first, second, red, circle, one, heat = texts_of(drawn)
    assert (question.x, question.baseline) == (36, 36 + 17)
    assert (answer.text, answer.x, answer.baseline) == ("red circle", 36, 53 + LINE_PX)
    for each, text, column in ((first, "0:00.0", 0), (second, "0:02.0", 1)):
        assert (each.text, each.anchor) == (text, "middle")
        assert (each.x, each.baseline) == (left + 328 * column + 160, top - 8)
    for each, text, row in ((red, "red", 0), (circle, "circle", 1)):
        assert (each.text, each.anchor) == (text, "right")
        assert (each.x, each.baseline) == (left - 16, top + 168 * row + 80)
    sizes = [each.fonts.size_px for each in texts_of(drawn)]
    assert sizes == [17, 24, 17, 17, 24, 24, 17, 17]
    # The colour scale ends at the right margin.
    right, bottom = drawn.width - 36, drawn.height - 18
    scale = drawn.items[-2]
    assert (one.text, one.x, one.baseline) == ("1", right, pytest.approx(bottom + 0.35 * 17))
    assert (scale.x, scale.y) == (int(right - SMALL.length("1") - 8 - 200), bottom - 7)
    assert (heat.text, heat.x, heat.baseline) == ("heat 0", scale.x - 8, one.baseline)
    assert (one.anchor, heat.anchor) == ("right", "right")


@pytest.mark.parametrize("threshold", [0.0, 0.4])
def test_the_scale_of_a_sheet_is_gray_below_the_threshold(threshold):
    drawn, _ = gridded(["red"], 1, threshold=threshold)
    scale = drawn.items[-2].rgb
    assert scale.shape == (14, 200, 3)
    levels = np.rint(np.arange(200) * 255 / 199)
    wanted = color_table("turbo")[levels.astype(int)].copy()
    wanted[levels < threshold * 255] = 224
    np.testing.assert_array_equal(scale, np.repeat(wanted[None], 14, axis=0))


def test_a_long_answer_has_three_lines_and_the_pictures_begin_below_them():
    short, _ = gridded(["red"], 2, answer="red")
    drawn, _ = gridded(["red"], 2, answer="red " + "word " * 200)
    room = drawn.width - 72
    answer = texts_of(drawn)[1:4]
    assert answer[2].text.endswith("…")
    assert not answer[1].text.endswith("…")
    assert all(0.8 * room < BIG.length(each.text.rstrip()) <= room for each in answer)
    assert answer[0].text.startswith("red word")
    baselines = [each.baseline for each in answer]
    assert baselines == pytest.approx([53 + LINE_PX, 53 + 2 * LINE_PX, 53 + 3 * LINE_PX])
    assert texts_of(drawn)[4].anchor == "middle"
    assert tiles_of(drawn)[0].y - tiles_of(short)[0].y == round(3 * LINE_PX) - round(LINE_PX)


def test_an_answer_of_exactly_three_lines_is_not_cut():
    drawn, _ = gridded(["red"], 2, answer="red\nblue\ngreen")
    assert [each.text for each in texts_of(drawn)[1:4]] == ["red", "blue", "green"]
    drawn, _ = gridded(["red"], 2, answer="red\nblue\ngreen\nblack")
    assert [each.text for each in texts_of(drawn)[1:4]] == ["red", "blue", "green black"]


def test_long_words_and_questions_are_cut():
    word = "extraordinarily" * 4
    drawn, _ = gridded([word], 2)
    assert tiles_of(drawn)[0].x == 36 + 260 + 16 + 24
    label = next(each for each in texts_of(drawn) if each.anchor == "right")
    assert label.text.endswith("…")
    assert 230 < BIG.length(label.text) <= 260


def test_a_row_has_the_probability_of_the_token_that_was_said():
    seen = four_frames()
    candidates = (Candidate(9, "blue", 0.7), Candidate(seen.tokens[2].id, "Red", 0.25))
    token = replace(seen.tokens[2], probability=0.25, candidates=candidates)
    seen = replace(seen, tokens=(*seen.tokens[:2], token, *seen.tokens[3:]))
    reader = FakeReader(4)
    clip = ClipClock(reader.pts, end_seconds=4.0)
    context = RenderContext(reader.info, clip, RenderOptions(), matrix=1, step=1)
    drawn = contact_sheet(seen, reader, context)
    [at] = [at for at, item in enumerate(texts_of(drawn)) if item.text == "25 %"]
    word, share = texts_of(drawn)[at - 1 : at + 1]
    assert (word.text, share.anchor, share.x) == ("Red", "right", word.x)
    assert share.baseline == pytest.approx(word.baseline + 1.3 * 17)
    assert sum("%" in item.text for item in texts_of(drawn)) == 1


def test_the_question_is_above_the_answer_on_one_line():
    seen = replace(four_frames(), conversation=(Message("user", "What moves? " * 90),))
    reader = FakeReader(4)
    clip = ClipClock(reader.pts, end_seconds=4.0)
    context = RenderContext(reader.info, clip, RenderOptions(), matrix=1, step=1)
    drawn = contact_sheet(seen, reader, context)
    question = texts_of(drawn)[0]
    assert question.text.startswith("What moves? What")
    assert question.text.endswith("…")
    room = drawn.width - 72
    assert 0.9 * room < SMALL.length(question.text) <= room


def test_the_first_of_two_equally_hot_slots_is_framed():
    seen = four_frames()
    flat = np.full_like(seen.inputs[0].word_maps, 0.5)
    seen = replace(seen, inputs=(replace(seen.inputs[0], word_maps=flat),))
    reader = FakeReader(4)
    clip = ClipClock(reader.pts, end_seconds=4.0)
    context = RenderContext(reader.info, clip, RenderOptions(opacity=0.0), matrix=1, step=1)
    framed = [
        bool((tile.rgb[0, 0] == (224, 112, 0)).all())
        for tile in tiles_of(contact_sheet(seen, reader, context))
    ]
    assert framed == [True, False, True, False]


def test_a_chosen_word_is_the_only_row():
    drawn, _ = sheet(show_word="circle")
    assert len(tiles_of(drawn)) == 2
    assert "circle" in [item.text for item in texts_of(drawn)]
    assert "Red" not in [item.text for item in texts_of(drawn)]


def test_times_begin_at_the_first_frame_of_the_clip():
    reader = FakeReader(4)
    clip = ClipClock(reader.pts - 10.0, end_seconds=-6.0)
    context = RenderContext(reader.info, clip, RenderOptions(), matrix=1, step=1)
    drawn = contact_sheet(four_frames(), reader, context)
    times = [item.text for item in texts_of(drawn) if item.anchor == "middle"]
    assert times == ["0:10.5", "0:12.5"]


@pytest.mark.parametrize(("words", "left_out"), [(24, 0), (25, 1), (30, 6)])
def test_stills_are_written_in_the_selected_formats_with_a_warning(tmp_path, words, left_out):
    texts = [f"w{n}" for n in range(words)]
    seen = explanation(" ".join(texts), tuple(texts))
    reader = FakeReader(2, duration=2.0)
    clip = ClipClock(reader.pts, end_seconds=2.0)
    context = RenderContext(reader.info, clip, RenderOptions(stills=("png",)), matrix=1, step=1)
    paths, warnings = write_stills(seen, reader, tmp_path, context)
    assert paths == (tmp_path / "stills.png",)
    assert paths[0].is_file()
    wanted = f"the stills leave out {left_out} of the words"
    assert warnings == ((wanted,) if left_out else ())


def test_no_sheet_is_drawn_where_none_is_selected(tmp_path):
    reader = FakeReader(2)
    clip = ClipClock(reader.pts, end_seconds=4.0)
    context = RenderContext(reader.info, clip, RenderOptions(), matrix=1, step=1)
    assert write_stills(explanation(), reader, tmp_path, context) == ((), ())
    assert reader.read_indices == []
    assert list(tmp_path.iterdir()) == []
