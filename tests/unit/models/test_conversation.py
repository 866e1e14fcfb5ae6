from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tam_video.errors import ConfigError
from tam_video.models import check_conversation, read_conversation
from tam_video.models.conversation import assign_inputs
from tam_video.types import Message

USER = {"role": "user", "text": "What moves?"}
ASSISTANT = {"role": "assistant", "text": "A red square."}


def write(tmp_path: Path, data: Any) -> Path:
    path = tmp_path / "turns.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("wrap", [lambda turns: turns, lambda turns: {"messages": turns}])
def test_turns_are_read_in_order(tmp_path: Path, wrap: Any) -> None:
    turns = [{"role": "system", "content": "Be brief."}, USER, ASSISTANT, USER]
    read = read_conversation(write(tmp_path, wrap(turns)))
    assert read.paths == ()
    assert read.turns == (
        Message("system", "Be brief."),
        Message("user", "What moves?"),
        Message("assistant", "A red square."),
        Message("user", "What moves?"),
    )


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "turns.json"
    path.write_text(json.dumps([USER]), encoding="utf-8-sig")
    assert read_conversation(path).turns == (Message("user", "What moves?"),)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "no user turn"),
        ({"turns": [USER]}, "no list of turns"),
        ("hello", "no list of turns"),
        ([USER, "hello"], "turn 2 of .* is not a JSON object"),
        ([{"role": "robot", "text": "x"}], "turn 1 of .* has the role 'robot'"),
        ([{"role": ["user"], "text": "x"}], "turn 1 of .* has the role"),
        ([{"role": "user"}], "turn 1 of .* has no text"),
        ([{"role": "user", "text": 3}], "turn 1 of .* has no text"),
        ([{**USER, "image": "a.png"}], "turn 1 of .* unknown field 'image'"),
        ([{"role": "user", "text": " \n"}], "turn 1 of the conversation is empty"),
        ([USER, USER], "turn 2 of the conversation has the role 'user', not 'assistant'"),
        ([ASSISTANT, USER], "turn 1 of the conversation has the role 'assistant', not 'user'"),
        ([USER, {"role": "system", "text": "x"}], "turn 2 .* has the role 'system'"),
        ([USER, ASSISTANT], "ends with the assistant's turn"),
        ([{"role": "system", "text": "x"}], "no user turn"),
    ],
)
def test_the_error_names_the_turn(tmp_path: Path, turns: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_conversation(write(tmp_path, turns))
    assert caught.value.hint


def part(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "text" if kind == "text" else "path": value}


def test_user_turns_show_videos_and_images(tmp_path: Path) -> None:
    first = [part("video", "a.mp4"), part("image", "/far/b.png"), part("text", "Which ")]
    turns = [
        {"role": "user", "content": [*first, part("text", "one?")]},
        {"role": "assistant", "content": [part("text", "The first.")]},
        {"role": "user", "content": [part("video", "sub/c.mp4"), part("text", "And now?")]},
    ]
    read = read_conversation(write(tmp_path, turns))
    assert read.turns == (
        Message("user", "Which one?", (0, 1)),
        Message("assistant", "The first."),
        Message("user", "And now?", (2,)),
    )
    assert read.paths == (tmp_path / "a.mp4", Path("/far/b.png"), tmp_path / "sub/c.mp4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "turn 1 of the conversation is empty"),
        ([part("video", "a.mp4")], "turn 1 of the conversation is empty"),
        ([part("text", "What?"), part("video", "a.mp4")], "turn 1 of .* after its text"),
        ([{"type": "video"}, part("text", "x")], "a 'video' part with no 'path'"),
        ([{"type": "video", "path": 3}], "a 'video' part with no 'path'"),
        ([{"type": "image", "path": ""}], "a 'image' part with no 'path'"),
        ([{"type": "image", "url": "a.png"}], "a 'image' part with no 'path'"),
        ([{"type": "text"}], "a 'text' part with no 'text'"),
        ([{**part("video", "a.mp4"), "fps": 2}], "a 'video' part with no 'path'"),
        ([{"type": "audio", "path": "a.wav"}], "unknown type 'audio'"),
        (["What?"], "unknown type None"),
    ],
)
def test_the_error_names_the_part(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_conversation(write(tmp_path, [{"role": "user", "content": content}]))
    assert caught.value.hint


def test_only_the_user_shows_something(tmp_path: Path) -> None:
    shows = {"role": "assistant", "content": [part("video", "a.mp4"), part("text", "this")]}
    with pytest.raises(ConfigError, match=r"turn 2 of .* shows a video"):
        read_conversation(write(tmp_path, [USER, shows, USER]))


def test_inputs_nobody_names_belong_to_the_first_user_turn() -> None:
    turns = (Message("system", "x"), Message("user", "a"), Message("user", "b"))
    shared = assign_inputs(turns, num_inputs=2)
    assert [turn.inputs for turn in shared] == [(), (0, 1), ()]


@pytest.mark.parametrize("named", [[(0,), ()], [(0, 0), (1,)], [(1,), (0,)], [(0, 1), (2,)]])
def test_inputs_are_shown_once_each_in_order(named: Any) -> None:
    turns = [Message("user", "x", numbers) for numbers in named]
    with pytest.raises(ConfigError, match="but there are 2"):
        assign_inputs(turns, num_inputs=2)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"[{]", "line 1, column 3"), (b"\xff\xfe\x00", "not UTF-8"), (b"", "not JSON")],
)
def test_a_broken_file_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "turns.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        read_conversation(path)


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't read the conversation"):
        read_conversation(tmp_path / "none.json")


def test_a_good_conversation_comes_back_as_a_tuple() -> None:
    turns = [Message("user", "What moves?")]
    assert check_conversation(turns) == tuple(turns)


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(ConfigError, match="Unicode"):
        check_conversation([Message("user", "What is \udcff?")])
