"""Choosing an encoder. No graphics card is at hand: a card's part is played by libx264 on NV12."""

from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from tam_video.errors import EncodeError, UnknownNameError
from tam_video.video import encoders
from tam_video.video.encoders import (
    ENCODER_NAMES,
    HARDWARE,
    SPEED_PRESETS,
    X264,
    Encoder,
    choose_encoder,
)
from tam_video.video.writer import write_video

CARD = Encoder("card", "libx264", "nv12", X264.options)
ABSENT = Encoder("absent", "h264_of_nobody", "nv12", X264.options)
FUSSY = Encoder("fussy", "libx264", "yuv420p", lambda crf, preset: {"preset": "no such"})


@pytest.fixture
def cards(monkeypatch):
    """Set the encoders of the machine's cards."""

    def given(*result):
        monkeypatch.setattr(encoders, "HARDWARE", result)

    return given


def gradient(shade):
    rows, columns = np.mgrid[:48, :64]
    return np.stack([rows * 4, columns * 3, np.full_like(rows, shade)], axis=2).astype(np.uint8)


def written(path, encoder):
    frames = [(at, gradient(shade)) for at, shade in ((0.0, 20), (0.1, 90), (0.35, 200))]
    result = write_video(path, frames, width=64, height=48, end_seconds=0.5, encoder=encoder, crf=4)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pictures = [
            (frame.pts * Fraction(stream.time_base), frame.to_ndarray(format="rgb24"))
            for frame in container.decode(stream)
        ]
    return result, pictures


def test_x264_is_taken_without_a_trial(monkeypatch):
    monkeypatch.setattr(encoders, "why_not", None)
    assert choose_encoder("x264", width=64, height=48) is X264


@pytest.mark.parametrize(
    ("result", "expected"), [((CARD,), CARD), ((ABSENT, CARD), CARD), ((ABSENT, FUSSY), X264)]
)
def test_auto_takes_the_first_that_encodes(cards, result, expected):
    cards(*result)
    assert choose_encoder("auto", width=64, height=48) is expected


def test_a_card_that_is_not_there_is_an_error_with_the_reason(cards):
    cards(ABSENT, FUSSY)
    with pytest.raises(EncodeError, match="this FFmpeg has no h264_of_nobody") as caught:
        choose_encoder("absent", width=64, height=48)
    assert "--encoder auto" in str(caught.value.hint)
    with pytest.raises(EncodeError, match="fussy can't encode 64x48"):
        choose_encoder("fussy", width=64, height=48)


def test_an_unknown_name_is_an_error():
    with pytest.raises(UnknownNameError, match="nvidia"):
        choose_encoder("nvidia", width=64, height=48)


def test_pictures_and_times_are_those_of_x264(cards, tmp_path):
    cards(CARD)
    ours, shown = written(tmp_path / "card.mp4", "auto")
    other, expected = written(tmp_path / "x264.mp4", "x264")
    assert (ours.encoder, other.encoder) == ("card", "x264")
    assert [at for at, _ in shown] == [at for at, _ in expected]
    for (_, one), (_, two) in zip(shown, expected, strict=True):
        assert np.abs(one.astype(int) - two).max() <= 6


def test_nothing_is_written_when_the_encoder_does_not_work(cards, tmp_path):
    cards(ABSENT)
    with pytest.raises(EncodeError):
        written(tmp_path / "a.mp4", "absent")
    assert list(tmp_path.iterdir()) == []


def test_names_are_those_of_the_settings():
    from tam_video.config import RunConfig

    allowed = RunConfig.model_json_schema()["properties"]["encoder"]["enum"]
    assert tuple(allowed) == ENCODER_NAMES


@pytest.mark.parametrize("encoder", [X264, *HARDWARE], ids=lambda each: each.name)
def test_options_are_known_to_ffmpeg(encoder):
    """Names and presets, of encoders that the `ffmpeg` command here was built with.

    Of the others only that all values are texts.
    """
    help_text = _ffmpeg_help(encoder.codec)
    for preset in SPEED_PRESETS:
        for crf in (0, 18, 51):
            options = encoder.options(crf, preset)
            assert all(isinstance(value, str) for value in options.values())
            if "AVOptions" not in help_text:
                continue
            for name in options.keys() - {"b", "bf", "global_quality"}:
                assert re.search(rf"^  -{name} ", help_text, re.M), name
            if encoder is not X264:
                speed = options.get("preset", options.get("quality"))
                assert re.search(rf"^     {speed} ", help_text, re.M)


def _ffmpeg_help(codec):
    command = [str(shutil.which("ffmpeg")), "-hide_banner", "-h", f"encoder={codec}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_an_encoder_that_does_not_work_is_reported_before_a_model_is_loaded(cards, tmp_path):
    from tam_video.config import RunConfig
    from tam_video.runs import explain_to_folder

    cards(Encoder("amf", ABSENT.codec, ABSENT.pixel_format, ABSENT.options))
    with pytest.raises(EncodeError, match="amf"):
        explain_to_folder(
            tmp_path / "none.mp4", tmp_path / "run", "?", config=RunConfig(encoder="amf")
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("encoder", "speeds"),
    [
        ("nvenc", ["p1", "p1", "p2", "p3", "p4", "p5", "p6", "p7"]),
        ("qsv", ["veryfast"] * 3 + ["faster", "fast", "medium", "slow", "slower"]),
        ("amf", ["speed"] * 3 + ["balanced"] * 3 + ["quality"] * 2),
    ],
)
def test_each_speed_has_a_step_of_the_card(encoder, speeds):
    names = "ultrafast superfast veryfast faster fast medium slow slower"
    assert " ".join(SPEED_PRESETS) == names
    (card,) = (each for each in HARDWARE if each.name == encoder)
    options = [card.options(20, preset) for preset in SPEED_PRESETS]
    assert [each.get("preset", each.get("quality")) for each in options] == speeds
    assert {each["bf"] for each in options} == {"0"}


def test_quality_is_that_of_x264_and_never_automatic():
    nvenc, qsv, amf = HARDWARE
    assert X264.options(0, "slow") == {"crf": "0", "preset": "slow", "bf": "0"}
    assert [nvenc.options(crf, "slow")["cq"] for crf in (0, 1, 2, 51)] == ["1", "1", "2", "51"]
    expected = {"rc": "vbr", "cq": "", "b": "0", "preset": "", "bf": "0"}
    assert nvenc.options(9, "slow") | {"cq": "", "preset": ""} == expected
    assert [qsv.options(crf, "slow")["global_quality"] for crf in (0, 1, 2)] == ["1", "1", "2"]
    expected = {"rc": "cqp", "qp_i": "0", "qp_p": "0", "quality": "quality", "bf": "0"}
    assert amf.options(0, "slow") == expected


def test_encoders_have_their_names_in_order():
    assert ENCODER_NAMES == ("auto", "x264", "nvenc", "qsv", "amf")
    assert [each.codec for each in HARDWARE] == ["h264_nvenc", "h264_qsv", "h264_amf"]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (True, ""),
        (False, "it returned no frame"),
        (av.error.ExternalError(1, "no device"), "no device"),
        (ValueError("width is odd"), "width is odd"),
    ],
)
def test_the_reason_of_a_failed_trial_is_returned(monkeypatch, outcome, reason):
    def trial(*_args):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(encoders, "_encodes", trial)
    encoders.why_not.cache_clear()
    try:
        assert encoders.why_not(CARD, 64, 48) == reason
    finally:
        encoders.why_not.cache_clear()


@pytest.mark.parametrize(("sizes", "works"), [([5, 5], True), ([5, 0], False), ([5], False)])
def test_an_encoder_works_if_each_frame_gives_a_packet(sizes, works):
    class Context(SimpleNamespace):
        def encode(self, frame):
            if frame is None:
                return [SimpleNamespace(size=size) for size in sizes]
            frames.append((frame.width, frame.height, frame.format.name, frame.pts))
            return []

    frames, context = [], Context()
    assert encoders._encodes(context, CARD, 64, 48) is works
    assert frames == [(64, 48, "nv12", 0), (64, 48, "nv12", 1)]
    assert (context.width, context.height, context.pix_fmt) == (64, 48, "nv12")
    assert context.time_base == Fraction(1, 25)
    assert context.options == {"crf": "18", "preset": "veryfast", "bf": "0"}


def test_a_card_is_tried_with_even_sides_where_the_size_is_not_known_yet(cards):
    cards(CARD)
    assert choose_encoder("card") is CARD
    with pytest.raises(EncodeError):
        choose_encoder("card", width=640, height=361)
