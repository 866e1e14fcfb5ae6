"""Read the items of a batch from a manifest, a folder, a glob, or Python values.

An invalid row is an item that fails, with the number of the row; the others are run. The `id` and
the further columns of a row are copied to the results and never used as a path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from tam_video.batch.clips import WILD, find_clips
from tam_video.batch.manifests import manifest_rows
from tam_video.batch.sources import FILES_ONLY, SourcePolicy, is_remote, protocol
from tam_video.errors import ConfigError, TamVideoError, VideoOpenError
from tam_video.models import check_conversation, parse_conversation
from tam_video.settings.parse import seconds
from tam_video.types import Message

MANIFESTS = frozenset({"jsonl", "ndjson", "csv", "parquet"})
_CONVERSATIONS = ("question", "questions", "conversation")
_OWN = frozenset({"id", "video", "videos", *_CONVERSATIONS, "answer", "start", "end"})


@dataclass(frozen=True, slots=True)
class BatchItem:
    """A question or a conversation about one or several clips.

    Attributes:
        id: name for users; unique in a batch.
        videos: paths or addresses.
        turns: the conversation.
        answer: explain this answer instead of generating one.
        start_seconds: start of the explained part, from the first frame.
        end_seconds: end of the explained part.
        extra: further columns, passed to the worker and to the summary.
        identity: further values that the result of this item depends on; part of its key.
        problem: why it cannot be run; None if it can.
    """

    id: str
    videos: tuple[str, ...] = ()
    turns: tuple[Message, ...] = ()
    answer: str | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    problem: TamVideoError | None = None


def read_items(
    source: str | Path, *, question: str | None = None, policy: SourcePolicy = FILES_ONLY
) -> Iterator[BatchItem]:
    """Read items from a manifest (JSONL, CSV, parquet), a folder, a glob, or a single clip.

    Args:
        source: a path or an address.
        question: question for rows without one.
        policy: sources that rows may name; the store of `source` itself is allowed.

    Raises:
        ConfigError: the source cannot be read, or a folder or glob without a question.
    """
    text = str(source)
    if is_remote(text):
        policy = replace(policy, protocols=policy.protocols | {protocol(text) or ""})
    suffix = PurePosixPath(text).suffix.lower().lstrip(".")
    if suffix in MANIFESTS and not WILD & set(text):
        yield from items_of_rows(
            manifest_rows(text), question=question, policy=policy, base=_folder_of(text)
        )
        return
    if question is None:
        raise ConfigError(f"there is no question about {text}", hint='pass -q "What happens?"')
    rows = [{"id": name, "video": path} for name, path in find_clips(text)]
    yield from items_of_rows(rows, question=question, policy=policy)


def items_of_rows(
    rows: Iterable[Mapping[str, Any] | ConfigError],
    *,
    question: str | None = None,
    policy: SourcePolicy = FILES_ONLY,
    base: str | None = None,
) -> Iterator[BatchItem]:
    """Yield items from rows that have the columns of a manifest.

    Args:
        rows: mappings with `video` (a path, or a list of them) and `question`, `questions` or
            `conversation`; optional `id`, `answer`, `start`, `end`, and further columns. A
            `ConfigError` stands for an unreadable row.
        question: question for rows without one.
        policy: sources that rows may name.
        base: folder or address that paths are relative to; None for the working directory.
    """
    for number, row in enumerate(rows, start=1):
        name = f"{number:06d}"
        try:
            if isinstance(row, ConfigError):
                raise row
            name = _text(row, "id") or name
            yield from _items_of_row(row, name, question=question, policy=policy, base=base)
        except (ConfigError, VideoOpenError) as exc:
            problem = type(exc)(f"row {number}: {exc.message}", hint=exc.hint)
            extra = {} if isinstance(row, ConfigError) else _extra(row)
            yield BatchItem(name, extra=extra, problem=problem)


def _items_of_row(
    row: Mapping[str, Any],
    name: str,
    *,
    question: str | None,
    policy: SourcePolicy,
    base: str | None,
) -> list[BatchItem]:
    """Return one item for each question in a row."""
    conversations, shown = _conversations(row, question)
    named = [text for key in ("video", "videos") for text in _texts(row, key)]
    if named and shown:
        raise ConfigError("the row names videos in both 'conversation' and 'video'")
    if not (named or shown):
        raise ConfigError("the row names no video", hint='add a column "video" with a path')
    videos = tuple(policy.checked(_joined(base, text)) for text in named or shown)
    start, end = _time(row, "start"), _time(row, "end")
    if (end if end is not None else float("inf")) <= (start or 0):
        raise ConfigError("'end' must be greater than 'start'")
    count = len(conversations)
    names = [name] if count == 1 else [f"{name}#{n + 1}" for n in range(count)]
    return [
        BatchItem(each, videos, turns, _text(row, "answer"), start, end, _extra(row))
        for each, turns in zip(names, conversations, strict=True)
    ]


def _conversations(
    row: Mapping[str, Any], question: str | None
) -> tuple[list[tuple[Message, ...]], tuple[str, ...]]:
    """Return the conversations in a row, and the videos that the column `conversation` names."""
    given = [key for key in _CONVERSATIONS if _is_given(row.get(key))]
    if len(given) > 1:
        raise ConfigError(
            f"the row has the columns {' and '.join(given)}, but only one of them is allowed"
        )
    if given == ["conversation"]:
        data = row["conversation"]
        if isinstance(data, str):
            data = _json(data, "conversation")
        turns, shown = parse_conversation(data, where="the conversation")
        return [turns], shown
    texts = _texts(row, given[0]) if given else [question] if question else []
    if not texts:
        raise ConfigError(
            "the row has no question", hint='add a column "question", or pass -q TEXT'
        )
    return [check_conversation([Message("user", text)]) for text in texts], ()


def _texts(row: Mapping[str, Any], key: str) -> list[str]:
    """Return the texts in a column of a row: one text, a list, or a list as JSON."""
    value = row.get(key)
    if not _is_given(value):
        return []
    if isinstance(value, str):
        is_list = value.startswith("[") and value.endswith("]") and key.endswith("s")
        value = _json(value, key) if is_list else [value]
    if isinstance(value, Path):
        value = [str(value)]
    if not isinstance(value, list | tuple) or not value:
        raise ConfigError(f"'{key}' must be a text or a list of texts")
    if not all(isinstance(part, str | Path) and str(part).strip() for part in value):
        raise ConfigError(f"'{key}' contains a value that is empty or not a text")
    return [str(part) for part in value]


def _text(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if not _is_given(value):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigError(f"'{key}' must be a text")
    return str(value)


def _time(row: Mapping[str, Any], key: str) -> float | None:
    value = _text(row, key)
    if value is None:
        return None
    time = seconds(value)
    if not 0 <= time < float("inf"):
        raise ConfigError(f"'{key}' must be a time of 0 seconds or more, not {value}")
    return time


def _json(text: str, key: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"'{key}' is not valid JSON") from exc


def _is_given(value: Any) -> bool:
    return value is not None and value != "" and value == value  # NaN is an empty cell


def _extra(row: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in row.items() if key not in _OWN}


def _joined(base: str | None, text: str) -> str:
    """Resolve a relative path against `base`; return other paths and addresses unchanged."""
    if base is None or protocol(text) is not None or text.startswith("/"):
        return text
    return f"{base}/{text}"


def _folder_of(manifest: str) -> str:
    if is_remote(manifest):
        return manifest.rpartition("/")[0]
    return str(Path(manifest.removeprefix("file://")).absolute().parent)
