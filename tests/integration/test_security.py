"""SECURITY.md, line by line: hostile media, names, manifests and model folders."""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from io import BytesIO
from pathlib import Path

import pytest
import torch
from batch_workers import ScriptedWork
from PIL import Image
from safetensors.torch import load_file

from tam_video import batch
from tam_video.errors import ModelLoadError, NoVideoStreamError, TamVideoError, VideoOpenError
from tam_video.models import ALIASES, load_model
from tam_video.video.reader import ReadLimits, open_video

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.reliability import audit

REPOSITORY = Path(__file__).parents[2]


class Listener:
    """Counts who calls on a port of this machine."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.calls = self.socket.getsockname()[1], 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.calls += 1


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.socket.close()


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ffconcat", "list.sdp", "list.mpd"])
def test_playlists_open_nothing_else(tmp_path, clips, listener, name):
    inside = clips.path("h264_b")
    shutil.copy(inside, tmp_path / "inside.mp4")
    address = f"http://127.0.0.1:{listener.port}/a.ts"
    texts = {
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXTINF:1,\n"
        f"file://{tmp_path}/inside.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{tmp_path}/inside.mp4'\nfile '{address}'\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\n"
        f"m=video {listener.port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "mpd": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation '
        f'id="1"><BaseURL>{address}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    }
    kind = name.rpartition(".")[2]
    (tmp_path / name).write_text(texts.get(kind, texts["m3u8"]))
    with pytest.raises(VideoOpenError):
        open_video(tmp_path / name)
    assert listener.calls == 0


@pytest.mark.parametrize(
    "name", ["concat:a.mp4|b.mp4", "http://127.0.0.1/a.mp4", "pipe:0", "subfile,,start,0,end,9,,:a"]
)
def test_a_name_is_a_file_and_no_protocol(name):
    with pytest.raises(VideoOpenError):
        open_video(name)


def png(width, height):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
    return b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")


def declaring(path, *, table, offset, value):
    """An MP4 with a number in one of its tables changed."""
    data = bytearray(path.read_bytes())
    at = data.index(table) + offset
    data[at : at + 4] = struct.pack(">I", value)
    return bytes(data)


BOMBS = {
    "wide.png": (lambda clip: png(100_000, 100_000), "NoVideoStreamError"),
    "frames.mp4": (
        lambda clip: declaring(clip, table=b"stts", offset=12, value=0x7FFFFFFF),
        "VideoOpenError",
    ),
    "sizes.mp4": (
        lambda clip: declaring(clip, table=b"stsz", offset=12, value=0x0FFFFFFF),
        "VideoOpenError",
    ),
    "chunks.mp4": (  # what is in the file can be played, the rest is only claimed
        lambda clip: declaring(clip, table=b"stsc", offset=16, value=0x0FFFFFFF),
        "opened",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_no_memory(tmp_path, clips, name):
    path = tmp_path / name
    path.write_bytes(BOMBS[name][0](clips.path("h264_b")))
    code = (
        "import re, sys; from tam_video.video.reader import open_video\n"
        "try: open_video(sys.argv[1]); print('opened')\n"
        "except Exception as exc: print(type(exc).__name__)\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
    )
    record, peak = done.stdout.split()
    assert record == BOMBS[name][1], done
    assert int(peak) < 200 * 1024


def test_limits_can_be_drawn_tighter(clips):
    for limits in (ReadLimits(max_pixels=99), ReadLimits(max_frames=9), ReadLimits(max_seconds=1)):
        with pytest.raises(VideoOpenError):
            open_video(clips.path("h264_b"), limits=limits)


EVIL = "../../x</script><script>alert(1)</script>"


def test_names_are_no_paths_and_no_markup(tmp_path):
    (tmp_path / "in").mkdir()
    clip = tmp_path / "in" / "=cmd'<b>.mp4"
    clip.write_bytes(b"x" * 50)
    rows = [
        {"id": EVIL, "video": str(clip), "question": f"ok {EVIL}", "note": "=HYPERLINK(1)"},
        {"id": "a/../../b", "video": str(clip), "question": "fail answer"},
    ]
    out = tmp_path / "in" / "out"
    work = ScriptedWork(str(out), str(tmp_path / "traces"))
    results = list(batch.run(rows, out, task=batch.BatchTask(work)))
    assert [r.status for r in results].count("done") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in", "traces"} | {
        path.name for path in tmp_path.glob("traces.*")
    }
    assert {path.name for path in (tmp_path / "in").iterdir()} == {clip.name, "out"}
    assert "<script>alert" not in (out / "index.html").read_text()
    table = (out / "summary.csv").read_text()
    assert not re.search(r"(^|,)\"?[=+@]", table, re.MULTILINE)


def test_a_manifest_reaches_no_address_unless_asked(tmp_path, listener):
    row = {"video": f"http://127.0.0.1:{listener.port}/a.mp4", "question": "ok"}
    (result,) = batch.run([row], tmp_path / "out", task=batch.BatchTask(ScriptedWork("", "")))
    assert result.error.type == "VideoOpenError"
    assert "allow-protocol http" in result.error.hint
    assert listener.calls == 0


def test_an_output_that_is_a_link_is_not_written_through(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"x")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    out = tmp_path / "out"
    (out / "runs").mkdir(parents=True)
    (out / "ledger.jsonl").symlink_to(victim)
    row = {"video": str(tmp_path / "clip.mp4"), "question": "ok"}
    with pytest.raises(TamVideoError):
        list(
            batch.run(
                [row], out, task=batch.BatchTask(ScriptedWork(str(out), str(tmp_path / "traces")))
            )
        )
    assert victim.read_text() == "mine"


@pytest.fixture
def checkpoint(tmp_path):
    """The embedded model as a folder that can be harmed."""
    return Path(shutil.copytree(ALIASES["tiny"], tmp_path / "model"))


def test_pickled_weights_need_leave_and_run_no_code_even_then(checkpoint, tmp_path):
    weights = load_file(checkpoint / "model.safetensors")
    (checkpoint / "model.safetensors").unlink()
    torch.save(weights, checkpoint / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="only pickled weights"):
        load_model(str(checkpoint))
    assert load_model(str(checkpoint), allow_pickle=True).family == "qwen3_vl"

    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (marker,))

    torch.save({**weights, "evil": Evil()}, checkpoint / "pytorch_model.bin")
    with pytest.raises(ModelLoadError):
        load_model(str(checkpoint), allow_pickle=True)
    assert not marker.exists()


def test_code_in_a_checkpoint_is_not_run(checkpoint, tmp_path):
    marker = tmp_path / "ran"
    (checkpoint / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil: pass\n")
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        record = json.loads((checkpoint / name).read_text())
        record["auto_map"] = dict.fromkeys(
            ["AutoConfig", "AutoModelForImageTextToText", "AutoProcessor", "AutoTokenizer"],
            "evil.Evil",
        )
        (checkpoint / name).write_text(json.dumps(record))
    with suppress(ModelLoadError):
        load_model(str(checkpoint))
    assert not marker.exists()


def test_a_broken_picture_is_told_and_not_shown(tmp_path):
    (tmp_path / "a.png").write_bytes(png(100_000, 100_000)[:1000])
    with pytest.raises((NoVideoStreamError, VideoOpenError)):
        open_video(tmp_path / "a.png")


def test_exif_of_nothing_but_headers_takes_no_time(tmp_path):
    picture = BytesIO()
    Image.new("RGB", (16, 16)).save(picture, "JPEG")
    plain, exif = picture.getvalue(), b"Exif\0\0" * 10_900
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(plain[:2] + 40 * segment + plain[2:])
    Image.new("RGB", (16, 16)).save(tmp_path / "a.webp", exif=40 * exif)
    began = time.perf_counter()
    for name in ("a.jpg", "a.webp"):
        with open_video(tmp_path / name) as video:
            assert (video.info.width, video.info.height) == (16, 16)
    assert time.perf_counter() - began < 5


def test_the_audit_tells_a_bad_version_a_drift_and_an_acceptance_without_need():
    record = {"package": "a", "ids": ["X-1"], "what": "it burns", "affected": "<2", "source": "s"}
    assert [bad for _, bad in audit.known_bad([record], {"a": "1.9"})] == [True]
    assert list(audit.known_bad([record], {"a": "2.0"})) == []
    accepted = [{**record, "accepted": "why"}]
    assert [bad for _, bad in audit.known_bad(accepted, {"a": "1.9"})] == [False]
    assert [bad for _, bad in audit.known_bad(accepted, {"a": "2"})] == [True]
    pins = audit.pinned_versions("# x\nA_b==1.0\nc==2\n")
    assert list(audit.drifted(pins, {"a-b": "1.1", "c": "2+cpu"})) == [
        "a-b is pinned at 1.0, 1.1 is installed"
    ]


def needed(name, result):
    """The distributions that one needs, and those that they need."""
    from packaging.requirements import Requirement

    base, _, extra = name.partition("[")
    try:
        asked = [Requirement(text) for text in requires(base) or []]
    except PackageNotFoundError:
        return
    for each in asked:
        extras = [part.strip() for part in extra.rstrip("]").split(",")]
        if each.marker and not any(each.marker.evaluate({"extra": e}) for e in extras):
            continue
        record = f"{each.name.lower().replace('_', '-')}[{','.join(sorted(each.extras))}]"
        if record not in result:
            result.add(record)
            needed(record, result)


def test_all_that_is_needed_is_pinned_exactly():
    pins = [
        line
        for line in (REPOSITORY / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pins)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in pins}
    result = set()
    needed("tam-video[dev]", result)
    names = {name.partition("[")[0].replace("_", "-") for name in result}
    assert len(names) > 80
    with_torch = re.compile(r"nvidia-|cuda-|tam-video$|setuptools$|pip$")
    assert not {n for n in names - pinned if not with_torch.match(n)}
