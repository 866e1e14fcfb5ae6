from __future__ import annotations

import base64
import io

import av
import numpy as np
import pytest
from constructed import with_input
from odd_clips import ODD_CLIPS, read_number
from PIL import Image
from report_runs import SAMPLE, make_explanation, make_input

from tam_video.localise import slot_timeline
from tam_video.report.media import (
    CLIP_SIDE_PX,
    Media,
    fitted_size,
    slot_stills,
    write_media,
    write_thumb,
)
from tam_video.video.reader import open_video


def frames_of(path):
    with open_video(path) as video:
        return video.info, video.timeline.pts_seconds, [frame.rgb for frame in video.frames()]


def picture(file):
    with Image.open(file) as opened:
        return np.asarray(opened, int)


@pytest.mark.parametrize("name", ["rot90", "vfr_mp4", "start5_mp4", "odd_444", "audio"])
def test_a_clip_keeps_frames_and_times(clips, tmp_path, name):
    clip, source = ODD_CLIPS[name], clips.path(name)
    explanation = make_explanation(source)
    media = write_media(explanation, source, tmp_path)
    info, pts, frames = frames_of(tmp_path / "clip.mp4")
    with open_video(source) as video:
        wanted, source_info = video.timeline.pts_seconds, video.info
    np.testing.assert_allclose(pts + media.offset_seconds, wanted, atol=2e-5)
    assert [read_number(f[: clip.height, : clip.width]) for f in frames] == list(clip.numbers)
    assert media.has_audio == info.has_audio == source_info.has_audio
    assert info.pixel_format == "yuv420p"


def test_a_clip_of_a_part_has_only_that_part_and_no_sound(clips, tmp_path):
    source = clips.path("audio")
    explanation = make_explanation(source)
    half = len(explanation.indices) // 2
    early = with_input(
        explanation,
        indices=np.repeat(explanation.indices[:half], 2),
        pts_seconds=np.repeat(explanation.pts_seconds[:half], 2),
    )
    media = write_media(early, source, tmp_path)
    info, pts, _ = frames_of(tmp_path / "clip.mp4")
    edges = slot_timeline(early).edges_seconds
    assert not media.has_audio
    assert not info.has_audio
    assert info.num_frames < early.info.num_frames
    assert edges[0] - 1e-6 <= pts[0] + media.offset_seconds
    assert pts[-1] + media.offset_seconds <= edges[-1] + 1e-6


def test_metadata_of_the_source_is_left_out(tmp_path):
    source = tmp_path / "named.mp4"
    with av.open(str(SAMPLE)) as given, av.open(str(source), "w") as made:
        made.metadata["title"] = made.metadata["comment"] = "SECRET PLACE"
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    assert b"SECRET PLACE" in source.read_bytes()
    write_media(make_explanation(source), source, tmp_path)
    assert b"SECRET PLACE" not in (tmp_path / "clip.mp4").read_bytes()


def test_a_picture_becomes_a_still(tmp_path):
    Image.fromarray(np.full((50, 80, 3), 120, np.uint8)).save(tmp_path / "a.png")
    media = write_media(make_explanation(tmp_path / "a.png"), tmp_path / "a.png", tmp_path, index=2)
    assert media == Media("stills", ("still_2.jpg",))
    assert picture(tmp_path / "still_2.jpg").shape == (50, 80, 3)
    (uri,) = media.inlined(tmp_path).sources
    assert uri.startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((320, 240), (320, 240)),
        ((321, 241), (321, 241)),
        ((1920, 1080), (960, 540)),
        ((1080, 1921), (540, 960)),
        ((40000, 2), (960, 2)),
    ],
)
def test_sizes_fit(size, wanted):
    assert fitted_size(*size, CLIP_SIDE_PX) == wanted


def test_stills_are_spread_evenly_over_the_slots():
    explanation = make_explanation(slots=20)
    media = slot_stills(explanation, SAMPLE)
    assert media.kind == "stills"
    assert len(media.sources) == 20
    first = picture(io.BytesIO(base64.b64decode(media.sources[0].partition(",")[2])))
    with open_video(SAMPLE) as video:
        first_frame = video.read([int(explanation.indices[0])]).frames[0]
    assert np.abs(first - first_frame).mean() < 6


def test_many_slots_share_stills(monkeypatch):
    monkeypatch.setattr("tam_video.report.media.MAX_STILLS", 3)
    assert len(slot_stills(make_explanation(slots=8), SAMPLE).sources) == 3


def test_a_thumbnail_shows_the_heat_of_the_word_with_the_greatest_peak(tmp_path):
    explanation = make_explanation()
    write_thumb(explanation, SAMPLE, tmp_path / "thumb.jpg")
    write_thumb(make_explanation(answer=""), SAMPLE, tmp_path / "plain.jpg")
    thumb, plain = picture(tmp_path / "thumb.jpg"), picture(tmp_path / "plain.jpg")
    assert thumb.shape == plain.shape
    assert max(thumb.shape) <= 400
    assert np.abs(thumb - plain).max() > 60


def test_media_of_a_second_input_has_its_number(tmp_path):
    explanation = make_explanation(others=[SAMPLE])
    assert make_input(SAMPLE, 1).layout.t == 8
    media = write_media(explanation.of_input(1), SAMPLE, tmp_path, index=1)
    assert media.sources == ("clip_1.mp4",)
