"""A whole annotated clip, made from odd sources and read back."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from constructed import with_input
from odd_clips import ODD_CLIPS, OddClip, read_number
from PIL import Image
from pysubs2 import SSAFile
from render_cases import explain

from tam_video.errors import ConfigError, VideoDecodeError
from tam_video.render.annotate import render_annotated
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import color_table
from tam_video.types import View
from tam_video.video.reader import open_video

SHARED_MEDIA = Path(__file__).parents[2] / "../shared/media"
REAL_CLIPS = sorted(path for path in SHARED_MEDIA.glob("*/*") if path.suffix in (".mp4", ".avi"))
SAMPLE = Path(__file__).parents[2] / "samples" / "shapes.mp4"
SIDE_PX = 240


def render(path, out, *, explanation=None, **options):
    seen = explanation or explain(path)
    return render_annotated(seen, path, out, options=RenderOptions(**options))


def frames_of(path):
    with open_video(path) as video:
        return video.info, video.timeline.pts_seconds, [frame.rgb for frame in video.frames()]


def packets(path):
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [bytes(p) for p in container.demux(container.streams.audio[0]) if p.size]


def picture_of(canvas, clip: OddClip):
    left = (max(SIDE_PX, clip.width) - clip.width) // 2
    return canvas[: clip.height, left : left + clip.width]


@pytest.mark.parametrize("name", sorted(ODD_CLIPS))
def test_odd_clips_keep_frames_times_and_orientation(clips, tmp_path, name):
    clip, source = ODD_CLIPS[name], clips.path(name)
    rendered = render(source, tmp_path, opacity=0.1)
    info, pts, frames = frames_of(rendered.mp4)
    with open_video(source) as video:
        wanted, wanted_pts = video.info, video.timeline.pts_seconds
    assert info.num_frames == len(frames) == wanted.num_frames
    assert info.rotation_degrees == 0
    np.testing.assert_allclose(pts - pts[0], wanted_pts - wanted_pts[0], atol=2e-5)
    assert info.duration_seconds == pytest.approx(wanted.duration_seconds, abs=2e-3)
    assert tuple(read_number(picture_of(frame, clip)) for frame in frames) == clip.numbers
    assert packets(rendered.mp4) == packets(source)


@pytest.mark.shared
@pytest.mark.parametrize("source", REAL_CLIPS, ids=lambda path: path.stem)
def test_real_clips_keep_frames_duration_and_sound(tmp_path, source):
    rendered = render(source, tmp_path, speed_preset="ultrafast")
    with open_video(rendered.mp4) as got, open_video(source) as wanted:
        assert got.info.num_frames == wanted.info.num_frames
        frame_seconds = wanted.info.duration_seconds / wanted.info.num_frames
        difference = abs(got.info.duration_seconds - wanted.info.duration_seconds)
        assert difference <= frame_seconds
    assert packets(rendered.mp4) == packets(source)


def test_words_take_turns_and_each_shows_its_own_heat(clips, tmp_path):
    source = clips.path("gray")
    seen = explain(source, hot=[0, 1, 2, 3])
    rendered = render(source, tmp_path, explanation=seen, opacity=1.0)
    assert [turn.word_indices for turn in rendered.turns] == [(1,), (2,), (3,)]
    assert all(a.end_seconds == b.start_seconds for a, b in pairwise(rendered.turns))
    _, pts, frames = frames_of(rendered.mp4)
    hot = color_table("turbo")[255].astype(int)
    for turn, (y, x) in zip(rendered.turns, [(10, 150), (110, 10), (110, 150)], strict=True):
        inside = (pts >= turn.start_seconds - 1e-6) & (pts < turn.end_seconds - 1e-6)
        for place in np.flatnonzero(inside):
            picture = picture_of(frames[place], ODD_CLIPS["gray"])
            assert np.abs(picture[y, x].astype(int) - hot).max() <= 12


def test_captions_have_the_times_of_the_shown_words(clips, tmp_path):
    rendered = render(clips.path("h264_b"), tmp_path)
    cues = list(SSAFile.load(str(rendered.vtt)))
    assert [cue.text for cue in cues] == ["red", "circle", "moves"]
    assert (cues[0].start, cues[-1].end) == (0, 1920)


def test_a_chosen_word_is_shown_all_the_time(clips, tmp_path):
    seen = explain(clips.path("gray"), hot=[0, 0, 3, 0])
    rendered = render(
        clips.path("gray"),
        tmp_path,
        explanation=seen,
        show_word="Circle",
        opacity=1.0,
        caption=False,
    )
    _, _, frames = frames_of(rendered.mp4)
    assert frames[0].shape == (120, 160, 3)
    hot = color_table("turbo")[255].astype(int)
    assert all(np.abs(frame[110, 150].astype(int) - hot).max() <= 12 for frame in frames)
    assert [turn.text for turn in rendered.turns] == ["circle"]


def test_layout_words_gives_each_content_word_a_pass_without_sound(clips, tmp_path):
    source = clips.path("audio")
    rendered = render(source, tmp_path, layout="words")
    info, pts, _ = frames_of(rendered.mp4)
    assert info.num_frames == 3 * 48
    assert info.duration_seconds == pytest.approx(3 * 1.92, abs=1e-3)
    assert np.diff(pts).min() > 0.03
    assert not info.has_audio
    assert [turn.start_seconds for turn in rendered.turns] == pytest.approx([0, 1.92, 3.84])


def test_more_words_than_frames_lose_no_word(clips, tmp_path):
    rendered = render(clips.path("two_frames"), tmp_path)
    assert [turn.word_indices for turn in rendered.turns] == [(1,), (2, 3)]
    assert "share a frame" in rendered.warnings[0]


def test_an_empty_answer_gives_a_clip_without_heat(clips, tmp_path):
    source = clips.path("h264_b")
    rendered = render(source, tmp_path, explanation=explain(source, answer=""), opacity=1.0)
    _, _, frames = frames_of(rendered.mp4)
    assert [read_number(picture_of(frame, ODD_CLIPS["h264_b"])) for frame in frames] == [*range(48)]


def test_frames_outside_of_the_explained_window_have_no_heat(clips, tmp_path):
    source = clips.path("gray")
    seen = explain(source)
    early = np.array([0.0, 0.1, 0.2, 0.3])
    seen = with_input(seen, pts_seconds=early)
    rendered = render(source, tmp_path, explanation=seen, show_word=1, opacity=1.0, caption=False)
    _, pts, frames = frames_of(rendered.mp4)
    colour = [int(np.ptp(frame[10, 10].astype(int))) for frame in frames]
    assert all(spread > 50 for at, spread in zip(pts, colour, strict=True) if at < 0.34)
    assert all(spread < 10 for at, spread in zip(pts, colour, strict=True) if at > 0.36)


def test_progress_counts_every_frame(clips, tmp_path):
    calls = []
    source = clips.path("two_frames")
    render_annotated(explain(source), source, tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(1, 2), (2, 2)]


def test_an_unknown_word_writes_nothing(clips, tmp_path):
    with pytest.raises(ConfigError):
        render(clips.path("h264_b"), tmp_path, show_word="elephant")
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_clip_writes_nothing(clips, tmp_path):
    seen = explain(clips.path("h264_b"))
    with pytest.raises(VideoDecodeError):
        render(clips.path("corrupt_mid"), tmp_path, explanation=seen)
    assert list(tmp_path.iterdir()) == []


def test_text_of_any_script_is_rendered(clips, tmp_path):
    answer = "Ein 红色圆形 أحمر שלום 한국어 👩\u200d🚀 {\\b1} <i> --> \ud800 é́"
    source = clips.path("two_frames")
    rendered = render(source, tmp_path, explanation=explain(source, answer=answer))
    assert "-->" in rendered.vtt.read_text(encoding="utf-8")


def test_a_crop_has_its_heat_inside_and_marks_outside(clips, tmp_path):
    source, view = clips.path("gray"), View(0.25, 0.0, 0.75, 1.0)
    seen = explain(source, hot=[1, 1, 1, 1], view=view)
    rendered = render(source, tmp_path, explanation=seen, show_word=1, opacity=1.0, caption=False)
    _, _, frames = frames_of(rendered.mp4)
    with open_video(source) as video:
        before = video.read([0]).frames[0].astype(int)
    hot = color_table("turbo")[255].astype(int)
    for frame in frames[:3]:
        canvas = frame.astype(int)
        assert np.abs(canvas[10, 110] - hot).max() <= 12  # the right cell of the crop
        for part in (np.s_[:, :36], np.s_[:, 124:]):
            assert np.ptp(canvas[part], axis=2).max() < 12  # gray: no heat
            assert canvas[part].mean() < 0.8 * before[part].mean()


def test_marks_add_few_bytes(tmp_path):
    source = SAMPLE
    sizes = []
    for name, view in (("whole", View()), ("crop", View(0.25, 0.0, 0.75, 1.0))):
        (tmp_path / name).mkdir()
        seen = explain(source, answer="", view=view)
        sizes.append(render(source, tmp_path / name, explanation=seen).mp4.stat().st_size)
    assert sizes[1] < 1.2 * sizes[0]


def test_padding_is_cut_off(clips, tmp_path):
    source, view = clips.path("gray"), View(0.0, 0.0, 2.0, 1.0)
    for hot, is_seen in ((0, True), (1, False)):
        seen = explain(source, hot=[hot] * 4, view=view)
        out = tmp_path / str(hot)
        out.mkdir()
        rendered = render(source, out, explanation=seen, show_word=1, opacity=1.0, caption=False)
        frame = frames_of(rendered.mp4)[2][0].astype(int)
        assert (np.ptp(frame[10, 40]) > 50) == is_seen


def test_a_picture_gets_a_still(tmp_path):
    Image.fromarray(np.full((90, 140, 3), 120, np.uint8)).save(tmp_path / "a.png")
    with open_video(tmp_path / "a.png") as video:
        assert video.info.is_image
    seen = explain(tmp_path / "a.png", hot=[0, 1, 2, 3], frames=2)
    out = tmp_path / "out"
    out.mkdir()
    rendered = render(tmp_path / "a.png", out, explanation=seen, opacity=1.0, caption=False)
    still = np.asarray(Image.open(rendered.png), int)
    assert still.shape == (90, 140, 3)
    hot = color_table("turbo")[255].astype(int)
    for y, x in ((10, 130), (80, 10), (80, 130)):  # every content word
        assert np.abs(still[y, x] - hot).max() <= 3
    assert np.abs(still[5, 5] - 120).max() <= 3  # "a" is none
    assert len(frames_of(rendered.mp4)[2]) == 1
    assert rendered.warnings == ()


def test_a_clip_gets_no_still(clips, tmp_path):
    assert render(clips.path("two_frames"), tmp_path).png is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotated.mp4", "captions.vtt"]
