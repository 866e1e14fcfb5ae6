"""H.264 encoders: map quality and speed to options, and find encoders that work on this machine.

All encode 4:2:0 without B-frames, so that packets are in display order. Hardware encoders are fast
and need more bytes for the same quality; their output depends on the device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

from tam_video.errors import EncodeError, UnknownNameError
from tam_video.settings.groups import SpeedPreset

if TYPE_CHECKING:
    from av import CodecContext, Packet

SPEED_PRESETS: tuple[str, ...] = get_args(SpeedPreset)
AUTO = "auto"
_TRIAL_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Encoder:
    """An FFmpeg encoder and its options.

    Attributes:
        name: its name in options.
        codec: its name in FFmpeg.
        pixel_format: its input, 4:2:0 of 8 bits.
        options: FFmpeg's options for an x264 quality (crf, 0 to 51) and one of `SPEED_PRESETS`.
    """

    name: str
    codec: str
    pixel_format: str
    options: Callable[[int, str], dict[str, str]]


def _x264(crf: int, preset: str) -> dict[str, str]:
    return {"crf": str(crf), "preset": preset, "bf": "0"}


def _nvenc(crf: int, preset: str) -> dict[str, str]:
    """Return NVENC's options; quality 0 becomes 1 because NVENC takes 0 as automatic."""
    speed = ("p1", "p1", "p2", "p3", "p4", "p5", "p6", "p7")[SPEED_PRESETS.index(preset)]
    return {"rc": "vbr", "cq": str(max(1, crf)), "b": "0", "preset": speed, "bf": "0"}


def _qsv(crf: int, preset: str) -> dict[str, str]:
    speed = preset if SPEED_PRESETS.index(preset) >= SPEED_PRESETS.index("veryfast") else "veryfast"
    return {"global_quality": str(max(1, crf)), "preset": speed, "bf": "0"}


def _amf(crf: int, preset: str) -> dict[str, str]:
    index = SPEED_PRESETS.index(preset)
    speed = "speed" if index < 3 else "balanced" if index < 6 else "quality"
    return {"rc": "cqp", "qp_i": str(crf), "qp_p": str(crf), "quality": speed, "bf": "0"}


X264 = Encoder("x264", "libx264", "yuv420p", _x264)
# Hardware encoders, in the order in which they are tried. Source of the options: `ffmpeg -h
# encoder=NAME` of FFmpeg 7 and 8.
HARDWARE = (
    Encoder("nvenc", "h264_nvenc", "yuv420p", _nvenc),
    Encoder("qsv", "h264_qsv", "nv12", _qsv),
    Encoder("amf", "h264_amf", "yuv420p", _amf),
)
ENCODER_NAMES = (AUTO, X264.name, *(each.name for each in HARDWARE))


def choose_encoder(name: str, *, width: int = 640, height: int = 360) -> Encoder:
    """Return the encoder called `name`; "auto" means the first that works on this machine.

    Args:
        name: one of `ENCODER_NAMES`; "auto" for the first hardware encoder that encodes frames of
            this size on this machine, else x264.
        width: of the frames in pixels, even.
        height: of the frames in pixels, even.

    Raises:
        UnknownNameError: there is no such encoder.
        EncodeError: it does not work on this machine; with FFmpeg's message.
    """
    if name == X264.name:
        return X264
    if name == AUTO:
        working = (each for each in HARDWARE if not why_not(each, width, height))
        return next(working, X264)
    encoder = next((each for each in HARDWARE if each.name == name), None)
    if encoder is None:
        raise UnknownNameError("encoder", name, ENCODER_NAMES)
    reason = why_not(encoder, width, height)
    if reason:
        raise EncodeError(
            f"the encoder {name} can't encode {width}x{height} on this machine: {reason}",
            hint="pass --encoder auto to use an encoder that works, or --encoder x264",
        )
    return encoder


@lru_cache(maxsize=32)
def why_not(encoder: Encoder, width: int, height: int) -> str:
    """Encode two frames; return why this fails, or "" if the encoder works.

    FFmpeg lists all encoders that it was built with, whether or not the machine has the device, and
    a device has a minimum and a maximum frame size.
    """
    import av

    try:
        context = av.CodecContext.create(encoder.codec, "w")
    except av.codec.codec.UnknownCodecError:
        return f"this FFmpeg has no {encoder.codec}"
    try:
        if not _encodes(context, encoder, width, height):
            return "it returned no frame"
    except av.FFmpegError as error:
        return str(error.strerror)
    except ValueError as error:
        return str(error)
    return ""


def _encodes(context: CodecContext, encoder: Encoder, width: int, height: int) -> bool:
    from av import VideoFrame

    context.width, context.height = width, height  # type: ignore[attr-defined]
    context.pix_fmt = encoder.pixel_format  # type: ignore[attr-defined]
    context.time_base = Fraction(1, 25)
    context.options = encoder.options(18, "veryfast")
    packets: list[Packet[Any]] = []
    for number in range(_TRIAL_FRAMES):
        frame = VideoFrame(width, height, encoder.pixel_format)
        frame.pts = number
        packets += context.encode(frame)  # type: ignore[attr-defined]
    packets += context.encode(None)  # type: ignore[attr-defined]
    return sum(packet.size > 0 for packet in packets) == _TRIAL_FRAMES
