"""Read conversations with several messages from JSON, and check their structure.

The file is a list of turns, or an object with such a list under "messages":
`[{"role": "user", "text": "What is it?"}, {"role": "assistant", "text": "A cat."}, ...]`.
"content" is accepted for "text"; that of a user turn may be a list of videos, images and text:
`[{"type": "video", "path": "a.mp4"}, {"type": "text", "text": "What is it?"}]`. A path is relative
to the file's folder. "video" and "image" are equivalent: the file determines the kind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tam_video.errors import ConfigError
from tam_video.types import Message, Role

ROLES = ("system", "user", "assistant")
EXAMPLE = 'write turns like {"role": "user", "text": "What moves?"}'
EXAMPLE_PARTS = '"content": [{"type": "video", "path": "a.mp4"}, {"type": "text", "text": "What?"}]'
VISION_PARTS = ("video", "image")


@dataclass(frozen=True, slots=True)
class Conversation:
    """The content of a conversation file.

    Attributes:
        turns: the turns, checked by `check_conversation`; they refer to inputs by number.
        paths: the file of each input.
    """

    turns: tuple[Message, ...]
    paths: tuple[Path, ...] = ()


def read_conversation(path: Path) -> Conversation:
    """Read a conversation from a JSON file.

    Raises:
        ConfigError: the file can't be read or is not valid; the message names the turn.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise ConfigError(
            f"can't read the conversation {path}: {exc.strerror}", hint="check the path"
        ) from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(
            f"{path} is not UTF-8 text", hint="save the conversation as UTF-8 JSON"
        ) from exc
    except json.JSONDecodeError as exc:
        raise ConfigError(
            f"{path} is not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}", hint=EXAMPLE
        ) from exc
    turns, names = parse_conversation(data, where=str(path))
    return Conversation(turns, tuple(path.parent / name for name in names))


def parse_conversation(data: Any, *, where: str) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Parse the JSON content of a conversation file.

    Args:
        data: a list of turns, or an object with such a list under "messages".
        where: name of the source, for messages.

    Returns:
        The turns, and the paths of their videos and images as written.

    Raises:
        ConfigError: it is not valid; the message names the turn.
    """
    turns = data.get("messages") if isinstance(data, dict) else data
    if not isinstance(turns, list):
        raise ConfigError(f"{where} has no list of turns", hint=EXAMPLE)
    messages: list[Message] = []
    shown: list[str] = []
    for number, turn in enumerate(turns, start=1):
        message, names = _message(turn, where=f"turn {number} of {where}", first_input=len(shown))
        messages.append(message)
        shown += names
    return check_conversation(messages), tuple(shown)


def check_conversation(conversation: Sequence[Message]) -> tuple[Message, ...]:
    """Check that user and assistant messages alternate after an optional system message.

    Raises:
        ConfigError: no user turn, a wrong order, an empty text, or the last turn is not the user's.
    """
    turns = tuple(conversation)
    if not any(turn.role == "user" for turn in turns):
        raise ConfigError("the conversation has no user turn", hint=EXAMPLE)
    first = 1 if turns[0].role == "system" else 0
    for number, turn in enumerate(turns[first:], start=first + 1):
        expected = "user" if (number - first) % 2 else "assistant"
        if turn.role != expected:
            raise ConfigError(
                f"turn {number} of the conversation has the role '{turn.role}', not '{expected}'",
                hint="start with an optional system turn, then alternate user and assistant turns",
            )
    for number, turn in enumerate(turns, start=1):
        if not turn.text.strip():
            raise ConfigError(f"turn {number} of the conversation is empty", hint=EXAMPLE)
        refuse_broken_text(turn.text)
    if turns[-1].role != "user":
        raise ConfigError(
            "the conversation ends with the assistant's turn",
            hint="end with a user turn; pass the answer to be explained as `answer`",
        )
    return turns


def refuse_broken_text(text: str) -> None:
    """Refuse a text with lone surrogates, which Python creates from invalid UTF-8 bytes."""
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise ConfigError("a turn or the answer is not valid Unicode", hint="use UTF-8") from exc


def assign_inputs(conversation: Sequence[Message], *, num_inputs: int) -> tuple[Message, ...]:
    """Assign videos and images to messages. By default, the first user message gets all of them.

    Raises:
        ConfigError: an input is used twice, not at all, out of order, or not in a user turn.
    """
    turns = tuple(conversation)
    named = [number for turn in turns for number in turn.inputs]
    if not named:
        first = next(index for index, turn in enumerate(turns) if turn.role == "user")
        shown = replace(turns[first], inputs=tuple(range(num_inputs)))
        return (*turns[:first], shown, *turns[first + 1 :])
    if any(turn.inputs and turn.role != "user" for turn in turns):
        raise ConfigError("only a user turn can show a video or an image")
    if named != list(range(num_inputs)):
        raise ConfigError(
            f"the turns refer to the inputs {named}, but there are {num_inputs} inputs",
            hint="refer to every input once, in the order in which the inputs were given",
        )
    return turns


def _message(turn: Any, *, where: str, first_input: int) -> tuple[Message, list[str]]:
    """Parse one message and its file paths; the first file becomes input number `first_input`."""
    if not isinstance(turn, dict):
        raise ConfigError(f"{where} is not a JSON object", hint=EXAMPLE)
    unknown = set(turn) - {"role", "text", "content"}
    if unknown:
        raise ConfigError(f"{where} has an unknown field {min(unknown)!r}", hint=EXAMPLE)
    role, text = turn.get("role"), turn.get("text", turn.get("content"))
    if role not in ROLES:
        raise ConfigError(f"{where} has the role {role!r}", hint=f"use one of {', '.join(ROLES)}")
    paths: list[str] = []
    if isinstance(text, list):
        text, paths = _parts(text, where=where)
    if not isinstance(text, str):
        raise ConfigError(f"{where} has no text", hint=EXAMPLE)
    if paths and role != "user":
        raise ConfigError(
            f"{where} shows a video or an image",
            hint="only a user turn can show a video or an image",
        )
    numbers = tuple(range(first_input, first_input + len(paths)))
    return Message(cast("Role", role), text, numbers), paths


def _parts(parts: list[Any], *, where: str) -> tuple[str, list[str]]:
    """Return the text and file paths in a message's content; files must come before the text."""
    texts: list[str] = []
    paths: list[str] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        is_vision = kind in VISION_PARTS
        if not is_vision and kind != "text":
            raise ConfigError(f"{where} has a part of unknown type {kind!r}", hint=EXAMPLE_PARTS)
        field = "path" if is_vision else "text"
        value = part.get(field)
        if set(part) != {"type", field} or not isinstance(value, str) or not value:
            raise ConfigError(
                f"{where} has a '{kind}' part with no '{field}', or with other keys",
                hint=EXAMPLE_PARTS,
            )
        if is_vision and texts:
            raise ConfigError(
                f"{where} shows {value} after its text",
                hint="put videos and images first",
            )
        (paths if is_vision else texts).append(value)
    return "".join(texts), paths
