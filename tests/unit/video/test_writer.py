"""The writer is checked by reading its files back with PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.errors import EncodeError, VideoOpenError
from tam_video.video.muxing import encode_errors, replacing
from tam_video.video.planes import DrawnFrame, pad_to_even
from tam_video.video.reader import open_video
from tam_video.video.writer import (
    Chapter,
    PictureTags,
    TimedPicture,
    encoding_matrix,
    source_tags,
    write_video,
)

RED, GREEN, BLUE = (200, 30, 40), (30, 180, 60), (20, 40, 210)


def flat(color, *, width=64, height=48):
    return np.full((height, width, 3), color, dtype=np.uint8)


def timed(seconds, *, width=64, height=48):
    colors = (RED, GREEN, BLUE)
    return [
        (at, flat(colors[place % 3], width=width, height=height))
        for place, at in enumerate(seconds)
    ]


def write(path, seconds, *, width=64, height=48, **options):
    return write_video(
        path, timed(seconds, width=width, height=height), width=width, height=height, **options
    )


def read_back(path):
    """(pts of each frame in seconds, RGB frames, duration in seconds)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        pts = [float(frame.pts * stream.time_base) for frame in frames]
        pixels = [frame.to_ndarray(format="rgb24") for frame in frames]
        return pts, pixels, float(stream.duration * stream.time_base)


def audio_packets(path, *, stream=0):
    with av.open(str(path)) as container:
        return [bytes(p) for p in container.demux(container.streams.audio[stream]) if p.size]


def make_source(path, *, codec="aac", audio_start=0.0, video_start=0.0, rate=48000, frames=20):
    """A clip with sound: `frames` pictures at 25 fps and a little longer noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, (1, int(rate * (frames / 25 + 0.1))))
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream(codec, rate=rate)
        audio.layout = "mono"
        resampler = av.AudioResampler(format=audio.format, layout="mono", rate=rate)
        for place in range(frames):
            picture = av.VideoFrame.from_ndarray(flat(RED), format="rgb24")
            picture.pts = place + round(video_start * 25)
            picture.time_base = Fraction(1, 25)
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        sound = AudioFrame.from_ndarray(noise.astype(np.float32), format="fltp", layout="mono")
        sound.sample_rate, sound.pts = rate, round(audio_start * rate)
        sound.time_base = Fraction(1, rate)
        for piece in [*resampler.resample(sound), None]:
            out.mux(audio.encode(piece))
    return path


def test_keeps_frame_count_times_and_duration(tmp_path):
    times = [n / 25 for n in range(30)]
    written = write(tmp_path / "out.mp4", times, end_seconds=1.2)
    pts, _, duration = read_back(written.path)
    assert written.num_frames == len(pts) == 30
    np.testing.assert_allclose(pts, times, atol=1e-9)
    assert duration == pytest.approx(1.2, abs=1e-4)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.floats(0.002, 2.0), min_size=0, max_size=6),
    st.floats(-3.0, 50.0),
    st.floats(0.01, 3.0),
)
def test_keeps_variable_frame_times(tmp_path_factory, gaps, start, last):
    path = tmp_path_factory.mktemp("vfr") / "out.mp4"
    times = start + np.cumsum([0.0, *gaps])
    written = write(path, times, end_seconds=float(times[-1] + last))
    pts, _, duration = read_back(path)
    np.testing.assert_allclose(pts, times - times[0], atol=1.2e-5)
    assert duration == pytest.approx(times[-1] + last - times[0], abs=1e-3)
    assert written.shift_seconds == pytest.approx(start, abs=1e-5)


def test_frames_of_equal_time_are_all_kept(tmp_path):
    pts, _, _ = read_back(write(tmp_path / "out.mp4", [0.0, 0.04, 0.04, 0.04, 0.08]).path)
    assert len(pts) == 5
    assert all(after > before for before, after in pairwise(pts))


def test_last_frame_lasts_as_long_as_the_one_before_when_the_end_is_unknown(tmp_path):
    _, _, duration = read_back(write(tmp_path / "out.mp4", [0.0, 0.1, 0.4]).path)
    assert duration == pytest.approx(0.7, abs=1e-3)


def test_is_h264_yuv420p_with_the_index_first(tmp_path):
    path = write(tmp_path / "out.mp4", [0.0, 0.04]).path
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(("width", "height"), [(63, 47), (64, 47), (63, 48), (1, 1)])
def test_odd_sides_are_padded_by_a_repeated_edge(tmp_path, width, height):
    path = write(tmp_path / "out.mp4", [0.0], width=width, height=height).path
    _, (picture,), _ = read_back(path)
    assert picture.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(picture.astype(int) - RED).max() <= 4


def test_padding_leaves_the_picture_in_place():
    picture = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    padded = pad_to_even(picture)
    assert padded.shape == (4, 6, 3)
    np.testing.assert_array_equal(padded[:3, :5], picture)
    np.testing.assert_array_equal(padded[3, :5], picture[2])
    assert pad_to_even(padded) is padded


@pytest.mark.parametrize("matrix", [1, 5, 6, 9, 2])
def test_colours_survive_with_the_sources_matrix(tmp_path, matrix):
    tags = PictureTags(matrix=matrix, primaries=1, transfer=1)
    path = write(tmp_path / "out.mp4", [0.0, 0.04, 0.08], tags=tags).path
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        wanted = encoding_matrix(tags, width=64, height=48)
        assert int(context.colorspace) == wanted == (matrix if matrix != 2 else 6)
        assert (int(context.color_primaries), int(context.color_trc)) == (1, 1)
        assert int(context.color_range) == 1
        for frame, color in zip(container.decode(stream), (RED, GREEN, BLUE), strict=True):
            picture = frame.to_ndarray(format="rgb24")
            assert np.abs(picture.astype(int) - color).max() <= 4


@pytest.mark.parametrize(
    ("width", "height", "wanted"), [(1280, 720, 1), (720, 1280, 1), (720, 576, 6), (320, 240, 6)]
)
def test_untagged_hd_is_bt709_and_smaller_is_bt601(width, height, wanted):
    assert encoding_matrix(PictureTags(), width=width, height=height) == wanted


def test_pixel_shape_is_kept_and_turned_with_the_picture(tmp_path):
    tags = PictureTags(sample_aspect_ratio=Fraction(4, 3))
    path = write(tmp_path / "out.mp4", [0.0], tags=tags).path
    with open_video(path) as reader:
        assert source_tags(reader.info).sample_aspect_ratio == Fraction(4, 3)
        turned = replace(reader.info, sample_aspect_ratio=Fraction(3, 4))
    assert source_tags(turned).sample_aspect_ratio == Fraction(3, 4)


@pytest.mark.parametrize(("space", "matrix"), [("bt601", 6), ("bt2020", 9), ("rgb", 6)])
def test_an_untagged_source_has_the_matrix_that_it_is_decoded_with(clips, space, matrix):
    with open_video(clips.path("h264_b")) as reader:
        assert not reader.recipe.is_tagged
        assert source_tags(replace(reader.info, color_space=space)).matrix == matrix


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "aac"), ("a.mkv", "ac3"), ("a.mkv", "flac"), ("a.avi", "pcm_s16le")],
)
def test_audio_packets_are_copied_byte_for_byte(tmp_path, name, codec):
    source = make_source(tmp_path / name, codec=codec)
    times = [n / 25 for n in range(20)]
    written = write(tmp_path / "out.mp4", times, audio_from=source)
    assert written.warnings == ()
    assert audio_packets(written.path) == audio_packets(source)


def test_audio_that_mp4_cannot_hold_is_left_out_with_a_warning(tmp_path, caplog):
    source = make_source(tmp_path / "a.avi", codec="pcm_u8", rate=8000)
    written = write(tmp_path / "out.mp4", [0.0, 0.04], audio_from=source)
    assert "pcm_u8" in written.warnings[0]
    assert "pcm_u8" in caplog.text
    with av.open(str(written.path)) as container:
        assert len(container.streams.audio) == 0


def test_a_silent_source_gives_a_silent_clip(tmp_path):
    source = write(tmp_path / "silent.mp4", [0.0, 0.04]).path
    written = write(tmp_path / "out.mp4", [0.0, 0.04], audio_from=source)
    with av.open(str(written.path)) as container:
        assert len(container.streams.audio) == 0


@pytest.mark.parametrize(("video_start", "audio_start"), [(0.0, 0.4), (0.4, 0.0), (5.0, 5.2)])
def test_sound_and_picture_keep_their_distance(tmp_path, video_start, audio_start):
    source = make_source(
        tmp_path / "a.mkv", codec="ac3", video_start=video_start, audio_start=audio_start
    )
    with av.open(str(source)) as container:
        heard = float(container.streams.audio[0].start_time * container.streams.audio[0].time_base)
    times = [video_start + n / 25 for n in range(20)]
    written = write(tmp_path / "out.mp4", times, audio_from=source)
    with av.open(str(written.path)) as container:
        first = {
            stream.type: float(stream.start_time * stream.time_base) for stream in container.streams
        }
    assert first["audio"] - first["video"] == pytest.approx(heard - video_start, abs=0.01)
    assert min(first.values()) == pytest.approx(0.0, abs=1e-6)
    assert written.shift_seconds == pytest.approx(min(heard, video_start), abs=0.01)


def test_no_frames_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(EncodeError, match="no frames"):
        write(tmp_path / "out.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_a_failing_source_of_frames_leaves_nothing_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")

    def failing() -> Iterator[TimedPicture]:
        yield from timed([0.0, 0.04])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, failing(), width=64, height=48)
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_an_encode_error(tmp_path):
    with pytest.raises(EncodeError) as caught:
        write(tmp_path / "nowhere" / "out.mp4", [0.0])
    assert caught.value.hint


def test_a_missing_audio_source_is_an_input_error(tmp_path):
    with pytest.raises(VideoOpenError):
        write(tmp_path / "out.mp4", [0.0], audio_from=tmp_path / "missing.mp4")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_preset_is_an_encode_error(tmp_path):
    with pytest.raises(EncodeError):
        write(tmp_path / "out.mp4", [0.0], speed_preset="warp")
    assert list(tmp_path.iterdir()) == []


def test_a_frame_of_another_size_is_a_programming_mistake(tmp_path):
    with pytest.raises(ValueError, match="frame 0"):
        write_video(tmp_path / "out.mp4", timed([0.0]), width=32, height=48)
    assert list(tmp_path.iterdir()) == []


def test_every_ffmpeg_error_class_becomes_an_encode_error(tmp_path):
    for error_class in {*av.error.classes.values(), av.FFmpegError}:
        error = error_class(1, "message")
        with pytest.raises(EncodeError) as caught, encode_errors(tmp_path):
            raise error
        assert caught.value.__cause__ is error


def test_replacing_takes_the_place_only_on_success(tmp_path):
    path = Path(tmp_path / "file")
    with replacing(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    with pytest.raises(FileNotFoundError), replacing(path):
        (tmp_path / "nothing").read_text()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_planes_may_be_drawn_over_while_earlier_ones_are_still_in_the_encoder(tmp_path):
    drawn = DrawnFrame(64, 48)
    levels = [16 + 4 * number for number in range(50)]

    def frames():
        for number, level in enumerate(levels):
            drawn.planes.y[:] = level
            drawn.planes.u[:] = drawn.planes.v[:] = 128
            yield (number / 25, drawn)

    path = tmp_path / "out.mp4"
    write_video(path, frames(), width=64, height=48, crf=4)
    with av.open(str(path)) as container:
        got = [frame.to_ndarray()[:48].mean() for frame in container.decode(video=0)]
    np.testing.assert_allclose(got, levels, atol=1.5)


def test_planes_of_another_size_are_a_programming_mistake(tmp_path):
    frames = [(0.0, DrawnFrame(64, 50))]
    with pytest.raises(ValueError, match="frame 0"):
        write_video(tmp_path / "out.mp4", frames, width=64, height=48)
    assert list(tmp_path.iterdir()) == []


def test_chapters_are_named_stretches(tmp_path):
    chapters = [Chapter(0.0, 0.5, "one <b> & two"), Chapter(0.5, 1.0, "二")]
    path = write(tmp_path / "out.mp4", [n / 10 for n in range(10)], chapters=chapters).path
    with av.open(str(path)) as container:
        got = [
            (float(each["start"] * each["time_base"]), each["metadata"]["title"])
            for each in container.chapters()
        ]
    assert got == [(0.0, "one <b> & two"), (0.5, "二")]
    assert len(read_back(path)[0]) == 10


def packets_of(path):
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def still_film(path, count, **options):
    frames = [(n / 25, flat(RED, width=16, height=16)) for n in range(count)]
    options = {"speed_preset": "ultrafast"} | options
    return write_video(path, frames, width=16, height=16, **options)


@pytest.mark.parametrize(
    ("fps", "count", "keyframes"),
    [
        (Fraction(1), 26, [0, 12, 24]),
        (Fraction(13, 2), 28, [0, 13, 26]),
        (Fraction(10), 42, [0, 20, 40]),
        (Fraction(500), 252, [0, 250]),
        (Fraction(0), 52, [0, 50]),
    ],
)
def test_keyframes_are_two_seconds_apart_between_12_and_250_frames(tmp_path, fps, count, keyframes):
    packets = packets_of(still_film(tmp_path / "a.mp4", count, average_fps=fps).path)
    assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == keyframes
    assert all(packet.pts == packet.dts for packet in packets)


def test_a_frame_alone_lasts_a_25th_of_a_second(tmp_path):
    assert read_back(write(tmp_path / "a.mp4", [3.0]).path)[2] == pytest.approx(0.04)
    assert read_back(write(tmp_path / "b.mp4", [3.0], end_seconds=3.5).path)[2] == 0.5


def test_the_clock_has_90000_ticks(tmp_path):
    path = write(tmp_path / "a.mp4", [0.0, 1 / 90_000, 1.0]).path
    pts, _, _ = read_back(path)
    assert pts == pytest.approx([0.0, 1 / 90_000, 1.0], abs=1e-9)


def test_tags_are_those_of_the_source(tmp_path):
    tags = PictureTags(matrix=9, primaries=9, transfer=16, sample_aspect_ratio=Fraction(4, 3))
    with open_video(write(tmp_path / "a.mp4", [0.0], tags=tags).path) as reader:
        assert source_tags(reader.info) == tags
    assert PictureTags() == PictureTags(2, 2, 2, Fraction(1))


def test_an_untagged_source_has_no_primaries(clips):
    with open_video(clips.path("h264_b")) as reader:
        assert source_tags(reader.info) == PictureTags(matrix=6)


@pytest.mark.parametrize("crf", [0, 51])
def test_quality_reaches_the_encoder(tmp_path, crf):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / "a.mp4"
    write_video(path, [(0.0, noise)], width=64, height=64, crf=crf)
    assert (path.stat().st_size > 5000) == (crf == 0)


def test_the_frame_of_another_size_is_numbered(tmp_path):
    frames = [*timed([0.0, 0.1]), (0.2, flat(RED, width=62))]
    with pytest.raises(ValueError, match=r"^frame 2 has the shape \(48, 62, 3\), not \(48, 64\)$"):
        write_video(tmp_path / "a.mp4", frames, width=64, height=48)


def test_the_result_names_the_encoder_and_the_file(tmp_path):
    written = write(tmp_path / "a.mp4", [2.5, 3.0])
    assert written.path == tmp_path / "a.mp4"
    assert (written.num_frames, written.shift_seconds) == (2, 2.5)
    assert (written.encoder, written.warnings) == ("x264", ())


def test_chapters_end_where_they_should(tmp_path):
    chapters = [Chapter(0.0, 0.5, "a"), Chapter(0.5, 0.75, "b")]
    path = write(tmp_path / "a.mp4", [n / 10 for n in range(10)], chapters=chapters).path
    with av.open(str(path)) as container:
        times = [
            tuple(float(each[name] * each["time_base"]) for name in ("start", "end"))
            for each in container.chapters()
        ]
    assert times == [(0.0, 0.5), (0.5, 0.75)]
