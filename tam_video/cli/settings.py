"""Options of the command line as conversation, inputs and runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tam_video.errors import ConfigError
from tam_video.types import Message


def parse_inputs(
    videos: Sequence[Path], question: str | None, conversation: Path | None
) -> tuple[tuple[Message, ...], tuple[Path, ...]]:
    """Return the turns of the conversation and the input files.

    Args:
        videos: files named on the command line.
        question: a single question.
        conversation: JSON file with the turns, which may name the files itself.

    Raises:
        ConfigError: not exactly one of question and conversation, no files, files given twice, or
            an invalid conversation.
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
        raise ConfigError("no video or image given", hint="add a file: VIDEO")
    return turns, paths


def check_runs(
    runs: Sequence[Path], output: Path | None, videos: Sequence[Path], *, is_compared: bool
) -> None:
    """Raise if the options of `render` contradict each other.

    Raises:
        ConfigError: several runs without a comparison, or a comparison without an output.
    """
    if is_compared and output is None:
        raise ConfigError("a comparison needs an output file", hint="-o comparison.mp4")
    if is_compared and len(runs) < 2:
        raise ConfigError("a comparison needs several runs", hint="name two run folders or more")
    if is_compared and len(videos) > 1:
        raise ConfigError("compared runs have one clip", hint="give --video once")
    if not is_compared and len(runs) > 1:
        raise ConfigError("several runs need --layout compare", hint="--layout compare")
    if not is_compared and output is not None:
        raise ConfigError(
            "a run is drawn into its own folder", hint="remove -o, or use --layout compare"
        )
