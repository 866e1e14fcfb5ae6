"""Options of the command line to settings and turns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tam_video.config import RunConfig, make_config
from tam_video.errors import ConfigError
from tam_video.types import Message


def config_from_options(options: Mapping[str, Any]) -> RunConfig:
    """Settings from the options that were given; the rest keeps its default.

    Raises:
        ConfigError: an option has no sense.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if given.pop("no_video", False):
        given["render"] = False
    for name in ("start", "end"):
        if name in given:
            given[f"{name}_seconds"] = seconds(given.pop(name))
    if "timestamps" in given:
        given["timestamps"] = tuple(seconds(part) for part in given["timestamps"].split(","))
    word = given.get("show_word")
    if isinstance(word, str) and word.isdigit():
        given["show_word"] = int(word)
    return make_config(given)


def turns_from_options(question: str | None, conversation: Path | None) -> tuple[Message, ...]:
    """The turns to ask: one question, or the turns of a JSON file.

    Raises:
        ConfigError: both or none were given, or the file is wrong.
    """
    if (question is None) == (conversation is None):
        raise ConfigError(
            "give a question or a conversation", hint='-q "What happens?" or --conversation FILE'
        )
    if conversation is not None:
        from tam_video.models import read_conversation

        return read_conversation(conversation)
    return (Message("user", question or ""),)


def seconds(text: str) -> float:
    """Read "12.5", "1:02" or "1:00:02.5" as seconds.

    Raises:
        ConfigError: not a time.
    """
    total = 0.0
    try:
        for part in text.strip().split(":"):
            total = total * 60 + float(part)
    except ValueError:
        raise ConfigError(f"{text!r} is not a time", hint="seconds, MM:SS or HH:MM:SS") from None
    return total
