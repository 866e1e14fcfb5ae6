from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tam_video.errors import ConfigError
from tam_video.models import check_conversation, read_conversation
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
    assert read_conversation(write(tmp_path, wrap(turns))) == (
        Message("system", "Be brief."),
        Message("user", "What moves?"),
        Message("assistant", "A red square."),
        Message("user", "What moves?"),
    )


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "turns.json"
    path.write_text(json.dumps([USER]), encoding="utf-8-sig")
    assert read_conversation(path) == (Message("user", "What moves?"),)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "no user turn"),
        ({"turns": [USER]}, "no list of turns"),
        ("hello", "no list of turns"),
        ([USER, "hello"], "turn 2 of .* is not an object"),
        ([{"role": "robot", "text": "x"}], "turn 1 of .* has the role 'robot'"),
        ([{"role": ["user"], "text": "x"}], "turn 1 of .* has the role"),
        ([{"role": "user"}], "turn 1 of .* has no text"),
        ([{"role": "user", "text": 3}], "turn 1 of .* has no text"),
        ([{**USER, "image": "a.png"}], "turn 1 of .* unknown field 'image'"),
        ([{"role": "user", "text": " \n"}], "turn 1 of the conversation is empty"),
        ([USER, USER], "turn 2 of the conversation has the role user, not assistant"),
        ([ASSISTANT, USER], "turn 1 of the conversation has the role assistant, not user"),
        ([USER, {"role": "system", "text": "x"}], "turn 2 .* has the role system"),
        ([USER, ASSISTANT], "ends with the assistant's turn"),
        ([{"role": "system", "text": "x"}], "no user turn"),
    ],
)
def test_the_error_names_the_turn(tmp_path: Path, turns: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_conversation(write(tmp_path, turns))
    assert caught.value.hint


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
