import datetime
import json
import math
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.config import RunConfig
from tam_video.errors import ConfigError, PresetError, UnknownNameError
from tam_video.pipelines.annotated_clip import AnnotatedClipOptions
from tam_video.pipelines.base import PipelineOptions
from tam_video.pipelines.new import preset_text
from tam_video.pipelines.preset import load_pipeline, read_override, read_preset
from tam_video.pipelines.problems import dotted, format_value, known_keys
from tam_video.pipelines.video_qa import VideoQaOptions

GOOD = """\
schema = 1
pipeline = "video-qa"
inputs = ["clips", "../other/*.mp4", "/data/a.mp4", "s3://bucket/b.mp4"]
output = "out"
questions = ["What happens?"]
[run]
num_frames = 16
previews = ["gif"]
"""


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "mine.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def problems_of(path, **overrides):
    with pytest.raises(PresetError) as caught:
        read_preset(path, overrides=overrides)
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def test_a_preset_becomes_the_options_of_its_pipeline(write):
    options = read_preset(write(GOOD))
    assert isinstance(options, VideoQaOptions)
    assert options.run == RunConfig(num_frames=16, previews=("gif",))
    assert options.questions == ("What happens?",)


def test_inputs_are_relative_to_the_preset_and_the_output_to_the_working_directory(
    write, tmp_path, monkeypatch
):
    monkeypatch.chdir("/")
    options = read_preset(write(GOOD))
    home = tmp_path.resolve()
    assert options.inputs == (
        str(home / "clips"),
        str(home.parent / "other" / "*.mp4"),
        "/data/a.mp4",
        "s3://bucket/b.mp4",
    )
    assert options.output == Path("out")


def test_a_glob_beside_a_preset_in_a_folder_with_brackets(tmp_path):
    folder = tmp_path / "a[1]"
    folder.mkdir()
    (folder / "mine.toml").write_text(GOOD)
    inputs = read_preset(folder / "mine.toml").inputs
    assert inputs[0] == str(folder.resolve() / "clips")
    assert inputs[1] == str(tmp_path.resolve() / "other" / "*.mp4")
    (folder / "mine.toml").write_text(GOOD.replace("../other/", ""))
    assert "a[[]1]" in read_preset(folder / "mine.toml").inputs[1]


def test_overrides_take_precedence_and_their_inputs_are_relative_to_the_working_directory(write):
    given = {"inputs": ["b.mp4"], "run.num_frames": 4, "run.seed": 7, "workers": 2}
    options = read_preset(write(GOOD), overrides=given)
    assert options.inputs == ("b.mp4",)
    assert (options.run.num_frames, options.run.seed, options.workers) == (4, 7, 2)
    assert options.run.previews == ("gif",)


WRONG = """\
pipeline = "video-qa"
inputs = [
  "a.mp4",
  3,
]
questions = "What?"
num_frames = 8
wrokers = 2
date = 2020-01-01

[run]
num_fram = 16
opacity = nan
crf = 99
dtype = "int8"
layer = []
show_word = 1.5
top_k = true
max_frames = "many"
render = 1
previews = ["gif", "png"]
fps = 0

[colours]
x = 1
"""


def test_all_problems_are_listed_with_line_value_and_allowed_values(write):
    assert problems_of(write(WRONG)) == [
        "output: missing",
        "line 2, inputs[1]: found 3, allowed: a valid string",
        'line 6, questions: found "What?", allowed: a valid array',
        "line 7, num_frames: unknown key; did you mean run.num_frames?",
        "line 8, wrokers: unknown key; did you mean workers?",
        "line 9, date: unknown key; known here: formats, inputs, keep, output, pipeline, "
        "questions, run, stride_seconds, verify, window_seconds, workers",
        "line 12, run.num_fram: unknown key; did you mean run.num_frames?",
        "line 13, run.opacity: found nan, allowed: a finite number",
        "line 14, run.crf: found 99, allowed: less than or equal to 51",
        "line 15, run.dtype: found \"int8\", allowed: 'auto', 'float32', 'bfloat16' or 'float16'",
        "line 16, run.layer: found [], allowed: a valid integer or a valid number or 'auto' or "
        "'input'",
        "line 17, run.show_word: found 1.5, allowed: a valid integer or a valid string",
        "line 18, run.top_k: found true, allowed: a valid integer",
        'line 19, run.max_frames: found "many", allowed: a valid integer',
        "line 20, run.render: found 1, allowed: a valid boolean",
        "line 21, run.previews[1]: found \"png\", allowed: 'gif' or 'webp'",
        "line 22, run.fps: found 0, allowed: greater than 0",
        "line 24, colours: unknown key; known here: formats, inputs, keep, output, pipeline, "
        "questions, run, stride_seconds, verify, window_seconds, workers",
    ]


def test_one_problem_is_one_line_several_are_listed(write):
    with pytest.raises(PresetError) as caught:
        read_preset(write(GOOD + "opactiy = 0.5\n"))
    path = str(write(GOOD + "opactiy = 0.5\n"))
    assert caught.value.message == (
        f"{path}: line 9, run.opactiy: unknown key; did you mean run.opacity?"
    )
    with pytest.raises(PresetError) as caught:
        read_preset(write(GOOD + "opactiy = 0.5\ncrf = -1\n"))
    assert caught.value.message == (
        f"{path}: 2 problems\n"
        "  line 9, run.opactiy: unknown key; did you mean run.opacity?\n"
        "  line 10, run.crf: found -1, allowed: greater than or equal to 0"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "pipeline: missing, allowed: annotated-clip, medical, surveillance, video-qa"),
        (
            'a = 1\npipeline = "video-q"',
            "line 2, pipeline: unknown pipeline 'video-q'; did you mean video-qa?",
        ),
        ("pipeline = 3", "line 1, pipeline: found 3, allowed: annotated-clip"),
        (GOOD.replace("schema = 1", "schema = 2"), "line 1, schema: found 2, allowed: 1"),
        (GOOD.replace("schema = 1", "schema = true"), "line 1, schema: found true, allowed: 1"),
        (GOOD + "timestamps = [1.5]\n", "line 6, run: num_frames and timestamps can't be combined"),
        (GOOD.replace('"What happens?"', '"  "'), "at least 1 character"),
        (
            GOOD.replace('["What happens?"]', "[]"),
            "questions: found []: Tuple should have at least 1 item",
        ),
        ("a = [1,\n", "end of the file: not valid TOML"),
        ("a = 1\nb = = 2\n", "line 2, column 5: not valid TOML"),
        ("a = 1\na = 2\n", "line 2, column 6: not valid TOML"),
        ("a = " + "1" * 5000, "not valid TOML"),
        (b'a = 1\nb = "\xff"\n', "line 2: not UTF-8"),
        (b"#" * ((1 << 20) + 1), "larger than 1 MiB"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ('pipeline = "video-qa"\nx = ' + "[" * 300 + "]" * 300, ""),
    ],
)
def test_problems_have_a_position(write, text, problem):
    assert problem in " | ".join(problems_of(write(text)))


def test_a_wrong_override_is_named(write):
    assert problems_of(write(GOOD), **{"run.crf": 99, "run.previews": ["png"]}) == [
        "override run.crf: found 99, allowed: less than or equal to 51",
        "override run.previews[0]: found \"png\", allowed: 'gif' or 'webp'",
    ]
    assert problems_of(write(GOOD), **{"pipeline.x": 1}) == [
        "override pipeline.x: pipeline is not a table"
    ]


def test_a_missing_file_or_a_folder_is_reported(tmp_path):
    assert problems_of(tmp_path / "none.toml") == ["can't be read: No such file or directory"]
    assert problems_of(tmp_path) == ["can't be read: Is a directory"]
    assert "can't be read" in problems_of("a\0b")[0]


def test_a_windows_editors_mark_and_line_ends_are_read(write):
    text = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    assert read_preset(write(text)).run.num_frames == 16


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("run.num_frames=16", ("run.num_frames", 16)),
        ("run.model=Qwen/Qwen2.5-VL-3B-Instruct", ("run.model", "Qwen/Qwen2.5-VL-3B-Instruct")),
        ('run.model="tiny"', ("run.model", "tiny")),
        ("keep=['mp4', 'vtt']", ("keep", ["mp4", "vtt"])),
        ("run.render = false", ("run.render", False)),
        ("question=What = this?", ("question", "What = this?")),
        ("run.layer=0.75", ("run.layer", 0.75)),
        ("run.show_word=1\nrun.fps=2", ("run.show_word", "1\nrun.fps=2")),
    ],
)
def test_an_override_is_toml_or_a_bare_string(text, wanted):
    assert read_override(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "run.fps", "=3", "a b=1", "keep=[1,", 'x="', "run..x=1", "x="]
)
def test_an_invalid_override_is_refused(text):
    with pytest.raises(ConfigError):
        read_override(text)


def test_pipelines_have_a_preset():
    for name in ("video-qa", "annotated-clip"):
        assert f'pipeline = "{name}"' in preset_text(name)
    with pytest.raises(UnknownNameError, match="video-q"):
        preset_text("video-q")
    with pytest.raises(UnknownNameError):
        load_pipeline("../video_qa")


def test_a_pipeline_that_cannot_be_loaded_is_reported(monkeypatch):
    def broken(_self, _name):
        raise ImportError("broken")

    monkeypatch.setattr("tam_video.registry.Registry.load", broken)
    with pytest.raises(ConfigError, match="can't be loaded: broken"):
        load_pipeline("other")


def test_known_keys_are_those_of_tables_too():
    known = set(known_keys(AnnotatedClipOptions))
    assert {("question",), ("run", "fps"), ("inputs",)} <= known


def test_odd_keys_and_values_are_shown_as_toml_writes_them():
    assert dotted(("run", "a b", 3, 'q"')) == 'run."a b"[3]."q\\""'
    assert format_value(math.inf) == "inf"
    assert format_value({"a": 1}) == "a table"
    assert format_value(datetime.date(2020, 1, 2)) == '"2020-01-02"'
    assert len(format_value("x" * 1000)) == 60


# Whatever is in the file, the answer is options or a ConfigError.


def _read(folder, content):
    path = folder / "fuzzed.toml"
    path.write_bytes(content)
    with suppress(ConfigError):
        assert isinstance(read_preset(path), PipelineOptions)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, content):
    _read(_folder(tmp_path_factory), content)


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), cut=st.integers(0, 12), put=st.binary(max_size=8))
def test_any_damage_to_a_good_preset(tmp_path_factory, place, cut, put):
    good = GOOD.encode()
    _read(_folder(tmp_path_factory), good[:place] + put + good[place + cut :])


_KEYS = [path[-1] for path in known_keys(VideoQaOptions)]
_TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=6).map(
    lambda text: json.dumps(text).replace("\x7f", "")
)
_SCALARS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.sampled_from(["true", "nan", "-inf", "1e400", "0.5", "1979-05-27", "07:32:00", "{}", "[]"]),
    _TEXTS,
)
_TOML = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]"),
        st.dictionaries(st.sampled_from(_KEYS), inner, max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{k} = {v}" for k, v in pairs.items()) + "}"
        ),
    ),
    max_leaves=6,
)
_TABLE = st.dictionaries(st.one_of(st.sampled_from(_KEYS), _TEXTS), _TOML, max_size=6)


@settings(max_examples=80, deadline=None)
@given(top=_TABLE, run=_TABLE, name=st.sampled_from(["video-qa", "annotated-clip", "none"]))
def test_any_values_of_any_keys(tmp_path_factory, top, run, name):
    top = {"pipeline": json.dumps(name), "inputs": '["a"]', "output": '"o"'} | top
    lines = [f"{key} = {value}" for key, value in top.items() if key != "run"]
    lines += ["[run]", *(f"{key} = {value}" for key, value in run.items())]
    _read(_folder(tmp_path_factory), "\n".join(lines).encode())


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=30))
def test_any_override(text):
    try:
        key, _ = read_override(text)
    except ConfigError:
        return
    assert key


def _folder(factory, made=[]):  # noqa: B006  one folder for all examples
    if not made:
        made.append(factory.mktemp("fuzzed"))
    return made[0]
