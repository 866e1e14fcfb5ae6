"""Small videos that readers get wrong, each with a frame number that can be read from its pixels.

`ODD_CLIPS` are decodable and carry their exact truth; `BAD_FILES` must be refused or reported. Both
are tables name -> recipe, so that a suite can be parametrised over them; nothing is made at import.
The FFmpeg command line makes the files (it is not what reads them).
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

BLOCKS = 4
BRIGHT, DARK = 220, 30
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-threads", "1")
AVOID_SCENE_CUTS = ("-sc_threshold", "0")


def draw(number: int, *, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    """uint8 [H, W, 3]: `number` (0..255) as 8 bits and their complement in 4x4 blocks."""
    bits = [(number >> bit) & 1 for bit in range(8)]
    code = np.array([*bits, *(1 - bit for bit in bits)]).reshape(BLOCKS, BLOCKS)
    rows = np.arange(height) * BLOCKS // height
    columns = np.arange(width) * BLOCKS // width
    picture = np.where(code[np.ix_(rows, columns)], BRIGHT, DARK).astype(np.uint8)
    return np.repeat(picture[:, :, None], 3, axis=2)


def read_number(rgb: NDArray[np.uint8]) -> int:
    """The number in a decoded frame; ValueError if it is not upright and whole."""
    height, width = rgb.shape[:2]
    rows = (2 * np.arange(BLOCKS) + 1) * height // (2 * BLOCKS)
    columns = (2 * np.arange(BLOCKS) + 1) * width // (2 * BLOCKS)
    bits = (rgb.mean(axis=2)[np.ix_(rows, columns)] > (BRIGHT + DARK) / 2).ravel().astype(int)
    if not np.array_equal(bits[:8], 1 - bits[8:]):
        raise ValueError("no frame number in this picture")
    return int(bits[:8] @ (1 << np.arange(8)))


def ffmpeg(*arguments: str | Path, stdin: bytes | None = None) -> None:
    """Run the FFmpeg command line quietly; its words come with the error."""
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))


def encode(
    path: Path,
    *options: str,
    numbers: Sequence[int] = range(48),
    width: int = 160,
    height: int = 120,
    quarter_turns: int = 0,
    mirrored: bool = False,
    fps: str = "25",
) -> None:
    """Encode the numbered frames; they are stored turned counter-clockwise, then mirrored."""
    pictures = [np.rot90(draw(n, width=width, height=height), quarter_turns) for n in numbers]
    if mirrored:
        pictures = [picture[:, ::-1] for picture in pictures]
    stored_height, stored_width = pictures[0].shape[:2]
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{stored_width}x{stored_height}")
    data = b"".join(np.ascontiguousarray(picture).tobytes() for picture in pictures)
    ffmpeg(*raw, "-r", fps, "-i", "-", *options, path, stdin=data)


@dataclass(frozen=True, slots=True)
class OddClip:
    """A file, how it is made, and what a right reader finds in it.

    Attributes:
        filename: its name in the folder.
        make: writes it to the given path.
        numbers: the number shown by each frame, in display order.
        seconds: presentation time of each frame, to `tolerance` seconds.
        width: display width after rotation.
        height: display height after rotation.
        tolerance: how coarse the container's clock is.
        has_audio: whether an audio stream goes along.
    """

    filename: str
    make: Callable[[Path], object]
    numbers: tuple[int, ...] = tuple(range(48))
    seconds: tuple[float, ...] = tuple(n / 25 for n in range(48))
    width: int = 160
    height: int = 120
    tolerance: float = 1e-6
    has_audio: bool = False


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file no frame can be taken from, and the name of the error that says so."""

    filename: str
    make: Callable[[Path], object]
    error: str


def _variable_milliseconds(count: int) -> tuple[int, ...]:
    return tuple(40 * n + 4 * ((7 * n) % 11) for n in range(count))


def _vfr(path: Path, *options: str) -> None:
    times = "settb=1/1000,setpts='40*N+4*mod(7*N,11)'"
    keep = ("-fps_mode", "passthrough", "-enc_time_base", "1/1000")
    encode(path, "-vf", times, *keep, *options)


def _gif_vfr(path: Path) -> None:
    times = "settb=1/100,setpts='6*N+mod(3*N,5)'"
    encode(path, "-vf", times, "-fps_mode", "passthrough", "-enc_time_base", "1/100")


def _remux(path: Path, *options: str) -> None:
    source = path.with_name(f"source-of-{path.name}")
    encode(source, *X264)
    ffmpeg("-i", source, "-c", "copy", *options, path)
    source.unlink()


def _edit_list(path: Path) -> None:
    source = path.with_name(f"source-of-{path.name}")
    encode(source, *X264, "-bf", "3", "-g", "24", *AVOID_SCENE_CUTS)
    ffmpeg("-ss", "0.4", "-i", source, "-c", "copy", path)
    source.unlink()


def _with_audio(path: Path) -> None:
    source = path.with_name(f"source-of-{path.name}")
    encode(source, *X264, "-bf", "2")
    tone = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1.92")
    ffmpeg("-i", source, *tone, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", path)
    source.unlink()


def _two_streams(path: Path, *options: str) -> None:
    small, large = (path.with_name(f"{size}-of-{path.name}") for size in ("small", "large"))
    encode(small, *X264, numbers=range(48))
    encode(large, *X264, numbers=range(100, 148), width=192, height=144)
    ffmpeg("-i", small, "-i", large, "-map", "0:v", "-map", "1:v", "-c", "copy", *options, path)
    small.unlink()
    large.unlink()


def _corrupt_middle(path: Path) -> None:
    encode(path, *X264, "-g", "12", "-bf", "2", *AVOID_SCENE_CUTS, "-movflags", "faststart")
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 2
    data[middle : middle + 1500] = bytes(1500)
    path.write_bytes(data)


def _truncated(path: Path, *options: str, part: float = 0.6) -> None:
    encode(path, *X264, "-g", "12", *AVOID_SCENE_CUTS, *options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])


def _audio_only(path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.5", "-c:a", "aac", path)


def _cover_art(path: Path) -> None:
    cover = path.with_name("cover.png")
    encode(cover, "-frames:v", "1", numbers=[7])
    tone = ("-f", "lavfi", "-i", "sine=duration=0.5")
    tags = ("-c:a", "libmp3lame", "-c:v", "copy", "-disposition:v", "attached_pic")
    ffmpeg(*tone, "-i", cover, "-map", "0:a", "-map", "1:v", *tags, path)
    cover.unlink()


def _playlist(path: Path) -> None:
    segment = path.with_name("segment.ts")
    encode(segment, *X264, numbers=range(10))
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n{segment.name}\n")


def _concat_list(path: Path) -> None:
    segment = path.with_name("concat-segment.mp4")
    encode(segment, *X264, numbers=range(10))
    path.write_text(f"ffconcat version 1.0\nfile '{segment.name}'\n")


def _encoder(*options: str, width: int = 160, height: int = 120) -> Callable[[Path], None]:
    return lambda path: encode(path, *options, width=width, height=height)


def _display_matrix(path: Path, *, turns: int, mirrored: bool, width: int, height: int) -> None:
    """Pictures that a display matrix turns clockwise by quarters, after a left-right flip."""
    encode(
        path,
        *X264,
        *("-bf", "2"),
        width=width,
        height=height,
        quarter_turns=turns,
        mirrored=mirrored,
    )
    set_display_matrix(path, turns=turns, mirrored=mirrored)


def set_display_matrix(path: Path, *, turns: int, mirrored: bool = False) -> None:
    """Have players turn an MP4's pictures clockwise by quarters, after a left-right flip."""
    data = bytearray(path.read_bytes())
    cosine, sine = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
    flip = -1 if mirrored else 1
    matrix = struct.pack(">4i", flip * cosine << 16, flip * sine << 16, 0, -sine << 16)
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 20] = matrix + struct.pack(">i", cosine << 16)
    path.write_bytes(data)


def _turned(filename: str, turns: int, *, mirrored: bool = False) -> OddClip:
    width, height = (120, 160) if turns % 2 else (160, 120)
    make = partial(_display_matrix, turns=turns, mirrored=mirrored, width=width, height=height)
    return OddClip(filename, make, width=width, height=height)


def _mpeg_ts_seconds(first: float) -> tuple[float, ...]:
    return tuple(first + n / 25 for n in range(48))


_FOUR_TWO_ZERO = ("-pix_fmt", "yuv420p", "-threads", "1")
_HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=20")
_VP9 = ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-deadline", "realtime", "-g", "20")
_AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "20")
_GOP = ("-bf", "3", "-g", "24", *AVOID_SCENE_CUTS)
_MILLISECONDS = _variable_milliseconds(48)
_VFR_SECONDS = tuple(ms / 1000 for ms in _MILLISECONDS)
_GIF_VFR_SECONDS = tuple((6 * n + (3 * n) % 5) / 100 for n in range(48))


def _clip(filename: str, *options: str, width: int = 160, height: int = 120) -> OddClip:
    make = _encoder(*options, width=width, height=height)
    coarse = 5.1e-4 if filename.endswith((".mkv", ".webm")) else 1e-6
    return OddClip(filename, make, width=width, height=height, tolerance=coarse)


def _count(filename: str, count: int) -> OddClip:
    make = partial(_encode_count, count=count)
    return OddClip(filename, make, tuple(range(count)), tuple(n / 25 for n in range(count)))


def _encode_count(path: Path, *, count: int) -> None:
    encode(path, *X264, "-bf", "2", numbers=range(count))


ODD_CLIPS: dict[str, OddClip] = {
    "h264_b": _clip("h264_b.mp4", *X264, *_GOP),
    "h264_b_mkv": _clip("h264_b.mkv", *X264, *_GOP),
    "open_gop": _clip("open_gop.mp4", *X264, *_GOP, "-x264-params", "open-gop=1:b-pyramid=normal"),
    "intra_refresh": _clip("intra.mp4", *X264, "-x264-params", "intra-refresh=1:keyint=12"),
    "long_gop": _clip("long_gop.mp4", *X264, "-g", "250", "-bf", "3", *AVOID_SCENE_CUTS),
    "ntsc": OddClip(
        "ntsc.mp4",
        lambda p: encode(p, *X264, *_GOP, fps="30000/1001"),
        seconds=tuple(n * 1001 / 30000 for n in range(48)),
    ),
    "vfr_mp4": OddClip(
        "vfr.mp4",
        lambda p: _vfr(p, *X264, *_GOP, "-video_track_timescale", "1000"),
        seconds=_VFR_SECONDS,
    ),
    "vfr_mkv": OddClip("vfr.mkv", lambda p: _vfr(p, *X264, *_GOP), seconds=_VFR_SECONDS),
    "start5_mp4": OddClip(
        "start5.mp4",
        lambda p: _remux(p, "-output_ts_offset", "5"),
        seconds=tuple(5 + n / 25 for n in range(48)),
    ),
    "start5_mkv": OddClip(
        "start5.mkv",
        lambda p: _remux(p, "-output_ts_offset", "5"),
        seconds=tuple(5 + n / 25 for n in range(48)),
        tolerance=5.1e-4,
    ),
    "rot90": _turned("rot90.mp4", 1),
    "rot180": _turned("rot180.mp4", 2),
    "rot270": _turned("rot270.mp4", 3),
    "mirrored": _turned("mirrored.mp4", 0, mirrored=True),
    "mirrored_rot90": _turned("mirrored_rot90.mp4", 1, mirrored=True),
    "odd_444": _clip(
        "odd_444.mp4", *X264[:4], "-pix_fmt", "yuv444p", "-bf", "2", width=161, height=121
    ),
    "odd_vp9": _clip("odd_vp9.webm", *_VP9, *_FOUR_TWO_ZERO, width=161, height=121),
    "h264_10bit": _clip("h264_10bit.mp4", *X264[:4], "-pix_fmt", "yuv420p10le", *_GOP),
    "hevc": _clip("hevc.mp4", *_HEVC, *_FOUR_TWO_ZERO),
    "hevc_10bit": _clip("hevc_10bit.mp4", *_HEVC, "-pix_fmt", "yuv420p10le"),
    "vp8": _clip("vp8.webm", "-c:v", "libvpx", "-cpu-used", "8", "-auto-alt-ref", "1", "-g", "20"),
    "vp9": _clip("vp9.webm", *_VP9, *_FOUR_TWO_ZERO),
    "av1": _clip("av1.mp4", *_AV1, *_FOUR_TWO_ZERO),
    "gif": _clip("anim.gif"),
    "gif_vfr": OddClip("anim_vfr.gif", _gif_vfr, seconds=_GIF_VFR_SECONDS),
    "mjpeg_avi": _clip("mjpeg.avi", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "packed_b_avi": OddClip(
        "packed_b.avi",
        _encoder("-c:v", "libxvid", "-bf", "1", "-g", "12", "-q:v", "2"),
        numbers=tuple(range(47)),  # the encoder drops the frame it holds back
        seconds=tuple(n / 25 for n in range(47)),
    ),
    "mpeg4_b_avi": _clip("mpeg4_b.avi", "-c:v", "mpeg4", "-bf", "2", "-g", "12"),
    "h264_b_avi": _clip("h264_b.avi", *X264, *_GOP),
    "mpegts": OddClip(
        "mpeg2.ts",
        _encoder("-c:v", "mpeg2video", "-bf", "2", "-g", "12"),
        seconds=_mpeg_ts_seconds(1.44),
        tolerance=2e-5,
    ),
    "mpegts_h264": OddClip(
        "h264.ts",
        _encoder(*X264, "-bf", "2", "-g", "12"),
        seconds=_mpeg_ts_seconds(1.48),
        tolerance=2e-5,
    ),
    "edit_list": OddClip(
        "edit_list.mp4",
        _edit_list,
        numbers=tuple(range(10, 48)),
        seconds=tuple(n / 25 for n in range(38)),
    ),
    "fragmented": OddClip(
        "frag.mp4",
        _encoder(*X264, *_GOP, "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
        seconds=tuple((n + 2) / 25 for n in range(48)),
    ),
    "moov_first": _clip("fast.mp4", *X264, *_GOP, "-movflags", "faststart"),
    "one_frame": _count("one.mp4", 1),
    "two_frames": _count("two.mp4", 2),
    "audio": OddClip("with_audio.mp4", _with_audio, has_audio=True),
    "interlaced": _clip("interlaced.mp4", *X264, "-x264-params", "tff=1:keyint=12"),
    "gray": _clip("gray.mp4", *X264[:4], "-pix_fmt", "gray"),
    "two_streams": OddClip(
        "two_streams.mkv",
        lambda p: _two_streams(p, "-disposition:v:0", "default"),
        tolerance=5.1e-4,
    ),
    "unicode": _clip("ünï côdé 视频 #1.mp4", *X264, *_GOP),
    "leading_dash": _clip("-i.mp4", *X264, *_GOP),
    "protocol_name": _clip("concat:a|b.mp4", *X264, *_GOP),
}

BAD_FILES: dict[str, BadFile] = {
    "missing": BadFile("missing.mp4", lambda p: None, "VideoOpenError"),
    "directory": BadFile("folder.mp4", lambda p: p.mkdir(), "VideoOpenError"),
    "empty": BadFile("empty.mp4", lambda p: p.write_bytes(b""), "VideoOpenError"),
    "text": BadFile("text.mp4", lambda p: p.write_text("not a video\n" * 50), "VideoOpenError"),
    "audio_only": BadFile("audio_only.m4a", _audio_only, "NoVideoStreamError"),
    "cover_mp3": BadFile("cover.mp3", _cover_art, "NoVideoStreamError"),
    "no_moov": BadFile("no_moov.mp4", _truncated, "VideoOpenError"),
    "playlist": BadFile("playlist.m3u8", _playlist, "VideoOpenError"),
    "disguised_playlist": BadFile("playlist.mp4", _playlist, "VideoOpenError"),
    "concat_list": BadFile("list.ffconcat", _concat_list, "VideoOpenError"),
    "corrupt_mid": BadFile("corrupt_mid.mp4", _corrupt_middle, "VideoDecodeError"),
}

# Opens, and ends before what its index promises.
SHORTENED = OddClip("truncated.mp4", lambda p: _truncated(p, "-movflags", "faststart"))


class ClipFolder:
    """Makes a file the first time it is asked for and keeps it for the session."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """Where the clip or bad file `name` is; made now if it is not there yet."""
        recipe = ODD_CLIPS.get(name) or BAD_FILES.get(name) or OTHER_CLIPS[name]
        path = self.root / name / recipe.filename
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            recipe.make(path)
        return path


OTHER_CLIPS: dict[str, OddClip] = {"shortened": SHORTENED}
