"""`explanation.json`: everything of an explanation but its arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.errors import RunFolderError
from tam_video.export.arrays import read_arrays
from tam_video.types import (
    Candidate,
    Explanation,
    Message,
    Token,
    TokenGrid,
    VideoInfo,
    Word,
)

SCHEMA_VERSION = 1


def to_document(explanation: Explanation) -> dict[str, Any]:
    """Plain JSON values; `word` of a token is the index of the word it belongs to, or None."""
    owner = {i: word.index for word in explanation.words for i in word.token_indices}
    grid = explanation.grid
    return {
        "schema_version": SCHEMA_VERSION,
        "video": _video(explanation.info),
        "conversation": [{"role": m.role, "text": m.text} for m in explanation.conversation],
        "question": explanation.conversation[-1].text,
        "answer": explanation.answer,
        "tokens": [_token(token, owner.get(token.index)) for token in explanation.tokens],
        "words": [_word(word) for word in explanation.words],
        "grid": {"t": grid.t, "h": grid.h, "w": grid.w, "frame_slots": grid.frame_slots},
        "frames": {
            "indices": explanation.indices.tolist(),
            "pts_seconds": explanation.pts_seconds.tolist(),
            "slot_seconds": grid.slot_seconds(explanation.pts_seconds).tolist(),
        },
        "settings": dict(explanation.settings),
        "versions": dict(explanation.versions),
        "timings_seconds": {k: round(v, 4) for k, v in explanation.timings.items()},
        "warnings": list(explanation.warnings),
    }


def write_document(explanation: Explanation, path: Path) -> Path:
    """Write `explanation.json`, UTF-8, without NaN."""
    text = json.dumps(to_document(explanation), ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def read_explanation(directory: Path) -> Explanation:
    """Load `explanation.json` and `maps.npz` of a run folder.

    Raises:
        RunFolderError: a file is missing, damaged, or of another schema version.
    """
    path = directory / "explanation.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document["schema_version"]
        if version != SCHEMA_VERSION:
            raise RunFolderError(
                f"{path} has schema version {version}, this release reads {SCHEMA_VERSION}",
                hint="use the release that wrote it, or explain the clip again",
            )
        return _from_document(document, directory)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise RunFolderError(
            f"{directory} is not a finished run: {exc}",
            hint="give the folder that `tam-video explain` wrote",
        ) from exc


def _from_document(document: Mapping[str, Any], directory: Path) -> Explanation:
    arrays = read_arrays(directory / "maps.npz")
    grid = document["grid"]
    return Explanation(
        info=_read_video(document["video"]),
        indices=np.array(document["frames"]["indices"], np.int64),
        pts_seconds=np.array(document["frames"]["pts_seconds"], np.float64),
        conversation=tuple(Message(**turn) for turn in document["conversation"]),
        answer=document["answer"],
        tokens=tuple(_read_token(i, row) for i, row in enumerate(document["tokens"])),
        words=tuple(
            Word(**{**row, "token_indices": tuple(row["token_indices"])})
            for row in document["words"]
        ),
        grid=TokenGrid(
            grid["t"], grid["h"], grid["w"], tuple(tuple(slot) for slot in grid["frame_slots"])
        ),
        settings=document["settings"],
        versions=document["versions"],
        timings=document["timings_seconds"],
        warnings=tuple(document["warnings"]),
        **arrays,
    )


def _video(info: VideoInfo) -> dict[str, Any]:
    """Paths and fractions as text, the rest as it is."""
    values = {name: getattr(info, name) for name in VideoInfo.__slots__}
    return {k: str(v) if isinstance(v, Path | Fraction) else v for k, v in values.items()}


def _read_video(row: Mapping[str, Any]) -> VideoInfo:
    kinds = {item.name: item.type for item in fields(VideoInfo)}
    parse: dict[Any, Callable[[str], Any]] = {"Path": Path, "Fraction": Fraction}
    return VideoInfo(**{k: parse[kinds[k]](v) if kinds[k] in parse else v for k, v in row.items()})


def _token(token: Token, word: int | None) -> dict[str, Any]:
    values = {name: getattr(token, name) for name in Token.__slots__}
    values["candidates"] = [
        {"id": c.id, "text": c.text, "probability": c.probability} for c in token.candidates
    ]
    values["word"] = word
    return values


def _read_token(index: int, row: Mapping[str, Any]) -> Token:
    values = {name: row[name] for name in Token.__slots__}
    values["candidates"] = tuple(Candidate(**c) for c in row["candidates"])
    return Token(**{**values, "index": index})


def _word(word: Word) -> dict[str, Any]:
    values = {name: getattr(word, name) for name in Word.__slots__}
    values["token_indices"] = list(word.token_indices)
    return values
