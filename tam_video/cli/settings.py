"""Options of the command line to settings, turns and inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

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
    if "layer" in given:
        given["layer"] = layer(given["layer"])
    word = given.get("show_word")
    if isinstance(word, str) and word.isdigit():
        given["show_word"] = int(word)
    return make_config(given)


def asked_from_options(
    videos: Sequence[Path], question: str | None, conversation: Path | None
) -> tuple[tuple[Message, ...], tuple[Path, ...]]:
    """The turns to ask and the files that they are about.

    Args:
        videos: files named on the command line.
        question: the one question.
        conversation: JSON file with the turns, which may name the files itself.

    Raises:
        ConfigError: both or none were given, of the question and the conversation or of the two
            places for files; or the conversation is wrong.
    """
    if (question is None) == (conversation is None):
        raise ConfigError(
            "give a question or a conversation", hint='-q "What happens?" or --conversation FILE'
        )
    turns: tuple[Message, ...] = (Message("user", question or ""),)
    paths = tuple(videos)
    if conversation is not None:
        from tam_video.models import read_conversation

        read = read_conversation(conversation)
        if read.paths and paths:
            raise ConfigError(
                f"{conversation} names its videos and images, and {paths[0]} is given as well",
                hint="leave VIDEO out, or the paths in the conversation",
            )
        turns, paths = read.turns, read.paths or paths
    if not paths:
        raise ConfigError("there is no video or image to explain", hint="name a file: VIDEO")
    return turns, paths


def layer(text: str) -> int | float | Literal["input"]:
    """Read "-1" as a layer's number, "0.75" as a share of the depth, "input" as what enters.

    Raises:
        ConfigError: none of them.
    """
    if text == "input":
        return "input"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise ConfigError(f"{text!r} is no layer", hint="-1, 0.75, or input")


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
