"""Options of the command line to settings, turns and inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tam_video.config import RunConfig, make_config
from tam_video.config import seconds as seconds
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
    for name in ("previews", "stills"):
        if name in given:
            given[name] = tuple(dict.fromkeys(part.strip() for part in given[name].split(",")))
    if "layer" in given:
        given["layer"] = layer(given["layer"])
    word = given.get("show_word")
    if isinstance(word, str) and word.isdigit():
        given["show_word"] = int(word)
    return make_config(given)


def parse_inputs(
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


def checked_runs(
    runs: Sequence[Path], output: Path | None, videos: Sequence[Path], *, is_compared: bool
) -> None:
    """Raise where the options of `render` contradict each other.

    Raises:
        ConfigError: several runs without a comparison, or a comparison without an output.
    """
    if is_compared and output is None:
        raise ConfigError("a comparison needs a file to write", hint="-o comparison.mp4")
    if is_compared and len(runs) < 2:
        raise ConfigError("a comparison needs several runs", hint="name two run folders or more")
    if is_compared and len(videos) > 1:
        raise ConfigError("compared runs are of one clip", hint="give --video once")
    if not is_compared and len(runs) > 1:
        raise ConfigError("several runs are drawn side by side only", hint="--layout compare")
    if not is_compared and output is not None:
        raise ConfigError(
            "a run is drawn in its own folder", hint="leave -o out, or use --layout compare"
        )


def layer(text: str) -> int | float | Literal["auto", "input"]:
    """Read "-1" as a layer's number, "0.75" as a share of the depth, "input" or "auto".

    Raises:
        ConfigError: none of them.
    """
    if text == "input":
        return "input"
    if text == "auto":
        return "auto"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise ConfigError(f"{text!r} is no layer", hint="-1, 0.75, input, or auto")
