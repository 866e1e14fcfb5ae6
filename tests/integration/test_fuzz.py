"""Mutated media files, the short form: no crash, no hang, every failure one of ours.

`python -m benchmarks.reliability fuzz` is the long form.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.errors import ConfigError, NoVideoStreamError
from tam_video.models import parse_conversation
from tam_video.pipelines.base import PIPELINES, PipelineOptions
from tam_video.pipelines.new import preset_text
from tam_video.pipelines.preset import read_preset
from tam_video.video.reader import open_video

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.reliability.fuzz import SEEDS, fuzz_media


def test_mutated_files_crash_nothing_and_fail_with_errors_of_ours(tmp_path):
    figures = fuzz_media(tmp_path, count=4 * len(SEEDS), seed=2)
    assert figures["bad"] == []
    assert figures["children_started"] == 1
    assert figures["slowest_seconds"] < 10
    assert sum(figures["results"].values()) == 4 * len(SEEDS)
    assert figures["results"]["read"] < 4 * len(SEEDS)


@pytest.fixture
def titled(tmp_path):
    path = tmp_path / "titled.mp4"
    source = ("-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1")
    options = ("-pix_fmt", "yuv420p", "-metadata", "title=TITLETITLE")
    subprocess.run(["ffmpeg", "-v", "error", *source, *options, str(path)], check=True)
    return path


def test_metadata_in_another_encoding_does_not_keep_a_clip_from_being_read(titled):
    titled.write_bytes(titled.read_bytes().replace(b"TITLETITLE", b"\xe9\xff\xfe\x80TITLE\xcc"))
    with open_video(titled) as reader:
        assert reader.info.num_frames == 10


def test_a_codec_that_nobody_knows_is_told(titled):
    data = titled.read_bytes()
    at = data.index(b"avc1", data.index(b"stsd"))
    titled.write_bytes(data[:at] + b"zzzz" + data[at + 4 :])
    with pytest.raises(NoVideoStreamError, match="can't be decoded"):
        open_video(titled)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "text", "content", "type", "path", "messages"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]) | values},
    optional={"content": values},
)


@settings(max_examples=200, deadline=None)
@given(values | st.lists(turns, max_size=4))
def test_any_json_is_a_conversation_or_says_why_not(data):
    try:
        result, names = parse_conversation(data, where="here")
    except ConfigError:
        return
    assert result[-1].role == "user"
    assert all(isinstance(name, str) for name in names)


VALUES = ("true", "-1", "1e400", "nan", "[]", "{}", '"x"', '["a", 1]', "1979-05-27", "{ a = [{}] }")


@st.composite
def damaged_presets(draw):
    """A shipped preset with other values, lines twice or gone, and other bytes."""
    lines = preset_text(draw(st.sampled_from(PIPELINES.names()))).splitlines()
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        key, is_pair, _ = lines[place].lstrip("# ").partition(" = ")
        other = f"{key} = {draw(st.sampled_from(VALUES))}" if is_pair else lines[place]
        lines[place : place + 1] = draw(st.sampled_from([[other], [other] * 2, []])) or [""]
    data = bytearray("\n".join(lines).encode())
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 9))] = draw(st.binary(max_size=5))
    return bytes(data)


def check_preset(path, data):
    """Whatever is in it, a preset is read or refused."""
    path.write_bytes(data)
    with suppress(ConfigError):
        assert isinstance(read_preset(path), PipelineOptions)


@settings(max_examples=100, deadline=None)
@given(damaged_presets())
def test_any_preset_is_read_or_says_why_not(tmp_path_factory, data):
    check_preset(tmp_path_factory.getbasetemp() / "fuzzed.toml", data)


@pytest.mark.slow
@settings(max_examples=4000, deadline=None)
@given(damaged_presets())
def test_any_preset_is_read_or_says_why_not_at_length(tmp_path_factory, data):
    check_preset(tmp_path_factory.getbasetemp() / "fuzzed.toml", data)
