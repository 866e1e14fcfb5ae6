"""What an annotated clip is made of; tests/integration reads whole clips back."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from pysubs2 import SSAFile
from render_cases import explain

from tam_video.errors import ExportError
from tam_video.render import annotate
from tam_video.render.annotate import open_context, render_annotated
from tam_video.render.options import RenderOptions
from tam_video.types import Message
from tam_video.video.reader import open_video


def picture_file(folder, rgb):
    Image.fromarray(rgb).save(folder / "a.png")
    (folder / "out").mkdir()
    return folder / "a.png", folder / "out"


def pattern(height=40, width=60):
    """Columns of one pixel in red and blue."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, ::2, 0] = rgb[:, 1::2, 2] = 200
    return rgb


def test_a_still_keeps_the_colour_of_each_pixel(tmp_path):
    rgb = pattern()
    source, out = picture_file(tmp_path, rgb)
    look = RenderOptions(opacity=0.0, caption=False)
    files = render_annotated(explain(source, frames=2), source, out, options=look)
    assert files.png == out / "annotated.png"
    got = np.asarray(Image.open(files.png)).astype(int)
    assert np.abs(got - rgb).max() <= 4


def test_a_still_of_an_empty_answer_is_the_picture(tmp_path):
    rgb = np.full((40, 60, 3), 120, np.uint8)
    source, out = picture_file(tmp_path, rgb)
    look = RenderOptions(opacity=1.0, caption=False)
    seen = explain(source, answer="", frames=2)
    files = render_annotated(seen, source, out, options=look)
    assert np.abs(np.asarray(Image.open(files.png)).astype(int) - rgb).max() <= 2


def test_a_still_shows_the_chosen_word_alone(tmp_path):
    source, out = picture_file(tmp_path, np.full((40, 60, 3), 120, np.uint8))
    look = RenderOptions(opacity=1.0, caption=False, show_word="red")
    seen = explain(source, hot=[0, 1, 2, 3], frames=2)
    files = render_annotated(seen, source, out, options=look)
    still = np.asarray(Image.open(files.png)).astype(int)
    assert np.abs(still[2, 57] - 120).max() > 60
    assert np.abs(still[37, 57] - 120).max() <= 2
    assert np.abs(still[37, 2] - 120).max() <= 2


def test_the_context_has_the_times_of_the_source(clips):
    with open_video(clips.path("two_frames")) as reader:
        pts, info = reader.timeline.pts_seconds, reader.info
        look = RenderOptions()
        context, tags = open_context(reader, look)
    np.testing.assert_array_equal(context.clip.pts_seconds, pts)
    assert context.clip.end_seconds == pytest.approx(pts[0] + info.duration_seconds)
    assert (context.info, context.look, context.matrix) == (info, look, tags.matrix)


def test_a_clip_that_begins_late_ends_late(monkeypatch, clips):
    with open_video(clips.path("two_frames")) as reader:
        shifted = type(
            "Reader",
            (),
            {
                "info": reader.info,
                "timeline": type("Timeline", (), {"pts_seconds": np.array([10.0, 10.5])}),
            },
        )
        context, _ = open_context(shifted, RenderOptions())
    assert context.clip.end_seconds == pytest.approx(10.0 + reader.info.duration_seconds)
    assert context.clip.start_seconds == 10.0


def rendered(clips, folder, **options):
    source = clips.path("two_frames")
    seen = explain(source, answer="red moves")
    return render_annotated(seen, source, folder, options=RenderOptions(**options))


def chapters_of(path):
    with av.open(str(path)) as container:
        return [
            (
                round(float(each["start"] * each["time_base"]), 2),
                round(float(each["end"] * each["time_base"]), 2),
                each["metadata"]["title"],
            )
            for each in container.chapters()
        ]


def test_only_the_layout_words_has_chapters_from_0_on(clips, tmp_path):
    words = rendered(clips, tmp_path, layout="words")
    with open_video(clips.path("two_frames")) as reader:
        length = round(reader.info.duration_seconds, 2)
    assert chapters_of(words.mp4) == [(0, length, "red"), (length, 2 * length, "moves")]
    assert chapters_of(rendered(clips, tmp_path).mp4) == []


def test_a_chapter_of_an_empty_answer_has_a_dash_as_its_title(clips, tmp_path):
    source = clips.path("two_frames")
    look = RenderOptions(layout="words")
    files = render_annotated(explain(source, answer=""), source, tmp_path, options=look)
    assert [title for _, _, title in chapters_of(files.mp4)] == ["-"]


def test_progress_counts_the_frames_of_all_passes(clips, tmp_path):
    calls = []
    source = clips.path("two_frames")
    render_annotated(
        explain(source, answer="red moves"),
        source,
        tmp_path,
        options=RenderOptions(layout="words"),
        progress=lambda *call: calls.append(call),
    )
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("question", ["What moves?", None])
def test_a_preview_has_the_question_as_its_title_or_else_the_answer(
    clips, tmp_path, monkeypatch, question
):
    calls = []

    def write_preview(mp4, path, *, title, font):
        calls.append((mp4, path, title, font))
        return path

    monkeypatch.setattr(annotate, "write_preview", write_preview)
    source = clips.path("two_frames")
    conversation = (Message("user", question),) if question else ()
    seen = replace(explain(source, answer="red moves"), conversation=conversation)
    look = RenderOptions(previews=("gif", "webp"))
    files = render_annotated(seen, source, tmp_path, options=look)
    paths = (tmp_path / "preview.gif", tmp_path / "preview.webp")
    title = question or "red moves"
    assert calls == [(files.mp4, path, title, None) for path in paths]
    assert files.previews == paths


def test_the_paths_and_the_warnings_of_all_parts_are_returned(clips, tmp_path):
    source = clips.path("two_frames")
    seen = explain(source, answer=" ".join(f"w{n}" for n in range(50)))
    look = RenderOptions(layout="grid", stills=("png",))
    files = render_annotated(seen, source, tmp_path, options=look)
    assert files.mp4 == tmp_path / "annotated.mp4"
    assert files.vtt == tmp_path / "captions.vtt"
    assert files.stills == (tmp_path / "stills.png",)
    assert files.previews == ()
    assert files.png is None
    assert files.warnings[-2:] == (
        "the grid shows 48 of 50 words",
        "the stills leave out 26 of the words",
    )
    assert [cue.text for cue in SSAFile.load(str(files.vtt))] == [seen.answer]


@pytest.mark.parametrize(("layout", "aspect"), [("overlay", 2), ("side", 1)])
def test_only_scaled_pictures_lose_the_pixel_shape(clips, tmp_path, monkeypatch, layout, aspect):
    tags = []
    write_video = annotate.write_video

    def recorded(*arguments, **options):
        tags.append(options["tags"].sample_aspect_ratio)
        return write_video(*arguments, **options)

    monkeypatch.setattr(annotate, "write_video", recorded)
    source_tags = annotate.source_tags
    monkeypatch.setattr(
        annotate,
        "source_tags",
        lambda info: replace(source_tags(info), sample_aspect_ratio=Fraction(2)),
    )
    rendered(clips, tmp_path, layout=layout)
    assert tags == [aspect]


def test_a_still_that_cannot_be_written_is_an_export_error(tmp_path):
    with pytest.raises(ExportError):
        annotate._write_png(tmp_path / "no" / "a.png", np.zeros((2, 2, 3), np.uint8))
