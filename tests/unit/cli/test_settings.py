import json
from pathlib import Path

import pytest

from tam_video.cli.explain import parse_inputs
from tam_video.cli.options import parse_settings
from tam_video.cli.render import check_runs
from tam_video.config import make_config
from tam_video.errors import ConfigError
from tam_video.settings.parse import layer, seconds
from tam_video.types import Message


@pytest.fixture
def chat(tmp_path):
    def write(*content):
        path = tmp_path / "chat.json"
        path.write_text(json.dumps([{"role": "user", "content": content}]))
        return path

    return write


def config_from_options(options):
    return make_config(parse_settings(options))


VIDEO = {"type": "video", "path": "a.mp4"}
TEXT = {"type": "text", "text": "What?"}


def test_a_question_applies_to_all_files():
    turns, paths = parse_inputs([Path("a.mp4"), Path("b.png")], "What?", None)
    assert turns == (Message("user", "What?"),)
    assert paths == (Path("a.mp4"), Path("b.png"))


def test_a_conversation_can_name_its_files(chat, tmp_path):
    turns, paths = parse_inputs([], None, chat(VIDEO, TEXT))
    assert turns == (Message("user", "What?", (0,)),)
    assert paths == (tmp_path / "a.mp4",)


def test_a_conversation_without_files_applies_to_the_given_files(chat):
    assert parse_inputs([Path("b.mp4")], None, chat(TEXT))[1] == (Path("b.mp4"),)


def test_missing_or_repeated_questions_and_files_are_refused(chat):
    with pytest.raises(ConfigError, match="is also given"):
        parse_inputs([Path("b.mp4")], None, chat(VIDEO, TEXT))
    with pytest.raises(ConfigError, match="no video or image given"):
        parse_inputs([], None, chat(TEXT))
    with pytest.raises(ConfigError, match="no video or image given"):
        parse_inputs([], "What?", None)
    with pytest.raises(ConfigError, match="a question or a conversation"):
        parse_inputs([Path("b.mp4")], "What?", chat(TEXT))


@pytest.mark.parametrize(
    ("text", "value"), [("-1", -1), ("20", 20), ("0.75", 0.75), ("input", "input")]
)
def test_layers_are_indices_fractions_or_the_input(text, value):
    config = config_from_options({"layer": text, "logits": "head"})
    assert (config.layer, config.logits) == (value, "head")
    assert type(layer(text)) is type(value)


@pytest.mark.parametrize("text", ["last", "1.5", "", "nan"])
def test_an_invalid_layer_is_a_config_error(text):
    with pytest.raises(ConfigError, match="layer"):
        config_from_options({"layer": text})


def test_times_are_parsed_in_all_forms():
    assert [seconds(text) for text in ("12.5", "1:02", "1:00:02.5")] == [12.5, 62.0, 3602.5]


def test_kinds_of_previews_and_stills_are_lists():
    config = config_from_options({"previews": "gif, webp,gif", "stills": "png"})
    assert (config.previews, config.stills) == (("gif", "webp"), ("png",))


@pytest.mark.parametrize(
    "options",
    [{"previews": "mp4"}, {"stills": "png,jpg"}, {"threshold": 1.0}, {"layout": "compare"}],
)
def test_invalid_look_settings_are_refused(options):
    with pytest.raises(ConfigError):
        config_from_options(options)


@pytest.mark.parametrize(
    ("runs", "output", "videos", "is_compared"),
    [
        (["a", "b"], None, [], True),
        (["a"], "o.mp4", [], True),
        (["a", "b"], "o.mp4", ["v", "w"], True),
        (["a", "b"], None, [], False),
        (["a"], "o.mp4", [], False),
    ],
)
def test_contradicting_render_options_are_refused(runs, output, videos, is_compared):
    with pytest.raises(ConfigError) as caught:
        check_runs(runs, output, videos, is_compared=is_compared)
    assert caught.value.hint
