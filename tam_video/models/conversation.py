"""Multi-turn conversations: read from a JSON file and checked.

The file is a list of turns, or an object with such a list under "messages":
`[{"role": "user", "text": "What is it?"}, {"role": "assistant", "text": "A cat."}, ...]`.
"content" is accepted for "text".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from tam_video.errors import ConfigError
from tam_video.types import Message, Role

ROLES = ("system", "user", "assistant")
EXAMPLE = 'write turns like {"role": "user", "text": "What moves?"}'


def read_conversation(path: Path) -> tuple[Message, ...]:
    """Read a conversation from a JSON file.

    Args:
        path: UTF-8 JSON file.

    Returns:
        The turns, checked by `check_conversation`.

    Raises:
        ConfigError: the file can't be read or is no conversation; the message names the turn.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise ConfigError(
            f"can't read the conversation {path}: {exc.strerror}", hint="check the path"
        ) from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not UTF-8 text", hint="save it as UTF-8 JSON") from exc
    except json.JSONDecodeError as exc:
        raise ConfigError(
            f"{path} is not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}", hint=EXAMPLE
        ) from exc
    turns = data.get("messages") if isinstance(data, dict) else data
    if not isinstance(turns, list):
        raise ConfigError(f"{path} holds no list of turns", hint=EXAMPLE)
    return check_conversation(
        [_message(turn, number=number, path=path) for number, turn in enumerate(turns, start=1)]
    )


def check_conversation(conversation: Sequence[Message]) -> tuple[Message, ...]:
    """Check the order of the turns: an optional system turn, then user and assistant in turns.

    Args:
        conversation: the turns to ask.

    Returns:
        The same turns as a tuple.

    Raises:
        ConfigError: no user turn, a wrong order, an empty text, or the last turn is not the user's.
    """
    turns = tuple(conversation)
    if not any(turn.role == "user" for turn in turns):
        raise ConfigError("the conversation holds no user turn", hint=EXAMPLE)
    first = 1 if turns[0].role == "system" else 0
    for number, turn in enumerate(turns[first:], start=first + 1):
        expected = "user" if (number - first) % 2 else "assistant"
        if turn.role != expected:
            raise ConfigError(
                f"turn {number} of the conversation has the role {turn.role}, not {expected}",
                hint="an optional system turn, then user and assistant one after the other",
            )
    for number, turn in enumerate(turns, start=1):
        if not turn.text.strip():
            raise ConfigError(f"turn {number} of the conversation is empty", hint=EXAMPLE)
    if turns[-1].role != "user":
        raise ConfigError(
            "the conversation ends with the assistant's turn",
            hint="end with a user turn; pass the answer to explain as `answer`",
        )
    return turns


def _message(turn: Any, *, number: int, path: Path) -> Message:
    where = f"turn {number} of {path}"
    if not isinstance(turn, dict):
        raise ConfigError(f"{where} is not an object", hint=EXAMPLE)
    unknown = set(turn) - {"role", "text", "content"}
    if unknown:
        raise ConfigError(f"{where} has an unknown field {min(unknown)!r}", hint=EXAMPLE)
    role, text = turn.get("role"), turn.get("text", turn.get("content"))
    if role not in ROLES:
        raise ConfigError(f"{where} has the role {role!r}", hint=f"roles: {', '.join(ROLES)}")
    if not isinstance(text, str):
        raise ConfigError(f"{where} has no text", hint=EXAMPLE)
    return Message(cast("Role", role), text)
