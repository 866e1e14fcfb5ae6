"""Every layout, drawn from odd sources and read back."""

from __future__ import annotations

import re
import zlib
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from odd_clips import ODD_CLIPS, read_number
from PIL import Image, ImageSequence
from pysubs2 import SSAFile
from render_cases import explain

from tam_video.errors import ConfigError
from tam_video.render.annotate import render_annotated
from tam_video.render.compare import render_comparison
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import color_table
from tam_video.types import View
from tam_video.video.reader import open_video

LAYOUTS = ["overlay", "side", "grid", "words"]
HOSTILE = (
    "<img src=x onerror=alert(1)> $\\frac{1}{0}$ {\\b1} \ud800 \x00 --> & ]]> 红 أحمر 👩\u200d🚀"
)
HOT = color_table("turbo")[255].astype(int)
HEAD_PX, GAP_PX = 44, 8


def render(path, out, seen=None, **options):
    out.mkdir(exist_ok=True)
    return render_annotated(seen or explain(path), path, out, options=RenderOptions(**options))


def frames_of(path):
    with open_video(path) as video:
        return video.info, video.timeline.pts_seconds, [frame.rgb for frame in video.frames()]


def is_hot(frame, y, x, tolerance=14):
    return np.abs(frame[y, x].astype(int) - HOT).max() <= tolerance


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["vfr_mp4", "rot90", "odd_444", "one_frame"])
def test_every_layout_keeps_frames_and_times(clips, tmp_path, layout, name):
    source = clips.path(name)
    rendered = render(source, tmp_path, layout=layout, speed_preset="ultrafast")
    with open_video(source) as before, open_video(rendered.mp4) as after:
        wanted, got = before.timeline.pts_seconds, after.timeline.pts_seconds
        passes = 3 if layout == "words" else 1
        assert after.info.num_frames == passes * before.info.num_frames
        length = before.info.duration_seconds
        every = np.concatenate([wanted - wanted[0] + k * length for k in range(passes)])
        np.testing.assert_allclose(got - got[0], every, atol=3e-5)
        assert after.info.duration_seconds == pytest.approx(passes * length, abs=2e-3)
        assert after.info.width % 2 == after.info.height % 2 == 0


@pytest.mark.parametrize("layout", ["overlay", "side", "grid"])
def test_layouts_of_one_pass_keep_the_sound(clips, tmp_path, layout):
    rendered = render(clips.path("audio"), tmp_path, layout=layout, speed_preset="ultrafast")
    with av.open(str(clips.path("audio"))) as before, av.open(str(rendered.mp4)) as after:
        packets = [
            [bytes(packet) for packet in each.demux(each.streams.audio[0]) if packet.size]
            for each in (before, after)
        ]
    assert packets[0] == packets[1]


def test_side_shows_the_picture_beside_the_same_with_heat(clips, tmp_path):
    source = clips.path("gray")
    seen = explain(source, hot=[0, 3, 3, 3])
    rendered = render(source, tmp_path, seen, layout="side", show_word=1, opacity=1.0)
    info, _, frames = frames_of(rendered.mp4)
    width, height = 320, 240  # twice the source, which is small
    assert info.width == 2 * width + GAP_PX
    for number, frame in enumerate(frames):
        left, right = frame[:height, :width], frame[:height, width + GAP_PX :]
        assert read_number(left) == number
        assert is_hot(right, 230, 310)
        assert np.ptp(left.astype(int), axis=2).max() < 12  # gray: no heat
        assert np.ptp(right[:100, :140].astype(int), axis=2).mean() < 4


def test_grid_has_a_tile_for_each_content_word_with_its_own_heat(clips, tmp_path):
    source = clips.path("gray")
    seen = explain(source, hot=[0, 1, 2, 3])
    rendered = render(source, tmp_path, seen, layout="grid", opacity=1.0)
    info, _, frames = frames_of(rendered.mp4)
    assert info.width == 3 * 320 + 2 * GAP_PX
    hot_at = [(10, 310), (230, 10), (230, 310)]
    for frame in frames[::12]:
        for number, (y, x) in enumerate(hot_at):
            tile = frame[HEAD_PX : HEAD_PX + 240, number * 328 : number * 328 + 320]
            assert [is_hot(tile, *place) for place in hot_at] == [
                place == (y, x) for place in hot_at
            ]
    assert [cue.text for cue in SSAFile.load(str(rendered.vtt))] == ["a red circle moves"]


def test_a_grid_can_have_tiles_of_tokens(clips, tmp_path):
    source = clips.path("one_frame")
    words, tokens = (
        frames_of(render(source, tmp_path / tiles, layout="grid", tiles=tiles).mp4)[0]
        for tiles in ("words", "tokens")
    )
    assert tokens.width * tokens.height > words.width * words.height


def test_a_grid_of_very_many_words_says_what_it_leaves_out(clips, tmp_path):
    source = clips.path("one_frame")
    seen = explain(source, answer=" ".join(f"word{n}" for n in range(70)))
    rendered = render(source, tmp_path, seen, layout="grid")
    assert rendered.warnings == ("the grid shows 48 of 70 words",)


def test_words_are_chapters(clips, tmp_path):
    source = clips.path("audio")
    rendered = render(source, tmp_path, layout="words", speed_preset="ultrafast")
    with av.open(str(rendered.mp4)) as container:
        assert not container.streams.audio
        chapters = [
            (
                float(each["start"] * each["time_base"]),
                float(each["end"] * each["time_base"]),
                each["metadata"]["title"],
            )
            for each in container.chapters()
        ]
    wanted = [(1.92 * k, 1.92 * (k + 1), word) for k, word in enumerate(["red", "circle", "moves"])]
    for got, expected in zip(chapters, wanted, strict=True):
        assert got[:2] == pytest.approx(expected[:2], abs=2e-3)
        assert got[2] == expected[2]


def compared(source, tmp_path, answers, **options):
    runs = [
        explain(source, answer=answer, hot=[0, place, 0, 0][: len(answer.split())])
        for place, answer in enumerate(answers)
    ]
    names = [f"run {number}" for number in range(len(runs))]
    look = RenderOptions(opacity=1.0, **options)
    return render_comparison(runs, names, source, tmp_path / "compared.mp4", options=look)


def test_compared_runs_stand_side_by_side_on_one_clock(clips, tmp_path):
    source = clips.path("gray")
    rendered = compared(source, tmp_path, ["a red circle", "a red ring", "no"], show_word="red")
    info, pts, frames = frames_of(rendered.mp4)
    with open_video(source) as before:
        np.testing.assert_allclose(pts, before.timeline.pts_seconds, atol=3e-5)
    assert info.width == 3 * 320 + 2 * GAP_PX
    for number, frame in enumerate(frames[::12]):
        tiles = [frame[HEAD_PX : HEAD_PX + 240, 328 * k : 328 * k + 320] for k in range(3)]
        assert [is_hot(tile, 10, 10) for tile in tiles] == [True, False, False]
        assert [is_hot(tile, 10, 310) for tile in tiles] == [False, True, False]
        assert read_number(tiles[2]) == 12 * number  # it does not say the word: no heat
    assert rendered.vtt == tmp_path / "compared.vtt"


def test_a_comparison_of_answers_that_lack_the_word_is_refused(clips, tmp_path):
    with pytest.raises(ConfigError, match="no answer contains the word"):
        compared(
            clips.path("one_frame"), tmp_path, ["a red circle", "a ring"], show_word="elephant"
        )
    assert list(tmp_path.iterdir()) == []


def test_compare_of_one_run_is_refused(clips, tmp_path):
    with pytest.raises(ConfigError, match="layout"):
        render(clips.path("one_frame"), tmp_path, layout="compare")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(2, 2), (34, 200), (500, 20), (90, 160)])
def test_tiny_and_long_sides_can_be_drawn(tmp_path, layout, size):
    source = tmp_path / "a.png"
    Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(source)
    rendered = render(source, tmp_path / "out", layout=layout, boxes=True, contours=True)
    with Image.open(rendered.png) as still, open_video(rendered.mp4) as video:
        assert still.size == (video.info.width, video.info.height)
        assert min(still.size) >= 56
        assert max(still.size) <= 2000


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("answer", [HOSTILE, "word " * 90, "红" * 200, " "])
def test_hostile_and_long_answers_can_be_drawn_in_every_layout(clips, tmp_path, layout, answer):
    source = clips.path("one_frame")
    seen = explain(source, answer=answer)
    rendered = render(source, tmp_path, seen, layout=layout, speed_preset="ultrafast")
    info, _, frames = frames_of(rendered.mp4)
    assert max(info.width, info.height) <= 1920
    assert len(frames) == info.num_frames


def test_boxes_and_contours_are_drawn_around_the_heat(clips, tmp_path):
    source = clips.path("gray")
    seen = explain(source, hot=[0, 3, 3, 3])
    plain, marked = (
        frames_of(
            render(
                source, tmp_path / str(lines), seen, show_word=1, boxes=lines, contours=lines
            ).mp4
        )[2]
        for lines in (False, True)
    )
    for before, after in zip(plain[::12], marked[::12], strict=True):
        moved = np.abs(before[:120, 40:200].astype(int) - after[:120, 40:200]).max(axis=2) > 40
        ys, xs = np.nonzero(moved)
        assert xs.min() >= 60
        assert ys.min() >= 40
        for edge in (moved[60:63, 80:160], moved[60:120, 80:83]):
            assert edge.any(axis=0).mean() > 0.9 or edge.any(axis=1).mean() > 0.9


def test_pixels_that_are_not_square_are_shown_square_where_pictures_are_scaled(clips, tmp_path):
    source = tmp_path / "wide.mp4"
    with av.open(str(clips.path("h264_b"))) as before, av.open(str(source), "w") as after:
        stream = after.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for frame in before.decode(video=0):
            after.mux(stream.encode(frame.reformat(format="yuv420p")))
        after.mux(stream.encode(None))
    for layout, aspect in (("overlay", 2), ("side", 1)):
        info = frames_of(render(source, tmp_path / layout, layout=layout).mp4)[0]
        assert info.sample_aspect_ratio == aspect
    assert info.width == 2 * 320 + GAP_PX


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_a_preview_is_short_and_shows_the_clip(clips, tmp_path, kind):
    source = clips.path("gray")
    seen = explain(source, hot=[3, 3, 3, 3])
    rendered = render(source, tmp_path, seen, show_word=1, opacity=1.0, previews=(kind,))
    (path,) = rendered.previews
    assert path == tmp_path / f"preview.{kind}"
    with Image.open(path) as preview:
        assert preview.info["loop"] == 0
        seconds, colors = 0.0, []
        for each in ImageSequence.Iterator(preview):
            colors.append(np.asarray(each.convert("RGB"), int))
            seconds += each.info["duration"] / 1000
    assert 1.92 < seconds < 1.92 + 2
    assert np.abs(colors[-1][110, 190] - HOT).max() < 40
    assert np.abs(colors[0] - (17, 18, 22)).mean() < 12  # the title comes first


def test_stills_are_words_by_slots(clips, tmp_path):
    source = clips.path("gray")
    seen = explain(source, hot=[0, 1, 2, 3], frames=8)
    rendered = render(source, tmp_path, seen, opacity=1.0, stills=("png",))
    sheet = np.asarray(Image.open(rendered.stills[0]).convert("RGB"), int)
    hot = np.abs(sheet - HOT).max(axis=2) <= 8
    _, xs = np.nonzero(hot[:-60])
    assert len(np.unique(np.round(xs / 100))) > 3  # four columns
    rows = np.flatnonzero(hot[:-60].any(axis=1))
    assert len(np.split(rows, np.flatnonzero(np.diff(rows) > 40) + 1)) >= 2
    assert (sheet[0] == 255).all()


def test_vector_sheets_have_the_words_as_text_whatever_they_say(clips, tmp_path):
    source = clips.path("one_frame")
    seen = explain(source, answer="<img src=x onerror=alert(1)> $\\frac{1}{0}$ ]]> & أحمر 红")
    pdf, svg = render(source, tmp_path, seen, stills=("pdf", "svg")).stills
    data = svg.read_bytes()
    texts = [each.text or "" for each in ElementTree.fromstring(data).iter() if "text" in each.tag]
    for word in ("<img", "onerror=alert(1)>", "$\\frac{1}{0}$", "]]>", "أحمر", "红"):
        assert any(word in text for text in texts)
    assert b"<img" not in data
    assert b"<script" not in data
    data = pdf.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL)
    drawn = b"".join(map(_inflated, streams))
    assert len(re.findall(rb"T[jJ]\b", drawn)) >= 10
    assert b"/JavaScript" not in data


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error:
        return b""


def test_stills_of_very_many_words_say_what_they_leave_out(clips, tmp_path):
    source = clips.path("one_frame")
    seen = explain(source, answer=" ".join(f"word{n}" for n in range(30)))
    rendered = render(source, tmp_path, seen, stills=("png",), layout="words")
    assert "the stills leave out 6 of the words" in rendered.warnings


@pytest.mark.parametrize("view", [View(), View(0.25, 0, 0.75, 1), View(-0.2, -0.1, 1.2, 1.4)])
def test_a_still_picture_of_every_layout_is_drawn(tmp_path, view):
    source = tmp_path / "a.png"
    Image.fromarray(np.full((90, 140, 3), 120, np.uint8)).save(source)
    seen = explain(source, hot=[0, 1, 2, 3], frames=2, view=view)
    for layout in LAYOUTS:
        rendered = render(source, tmp_path / layout, seen, layout=layout)
        with Image.open(rendered.png) as still:
            assert still.width >= 140


def test_the_numbers_of_odd_clips_are_read_from_the_left_half(clips, tmp_path):
    for name in ("rot270", "mirrored_rot90", "hevc_10bit"):
        rendered = render(
            clips.path(name), tmp_path / name, layout="side", speed_preset="ultrafast"
        )
        info, _, frames = frames_of(rendered.mp4)
        pane = (info.width - GAP_PX) // 2
        height = round(pane * ODD_CLIPS[name].height / ODD_CLIPS[name].width)
        numbers = tuple(read_number(frame[:height, :pane]) for frame in frames)
        assert numbers == ODD_CLIPS[name].numbers
