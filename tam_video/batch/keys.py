"""Names of items by their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tam_video.batch.items import BatchItem
from tam_video.config import RunConfig
from tam_video.export.checkpoint import weights_digest

_NAME_LENGTH = 60


def batch_identity(config: RunConfig, keep: Collection[str]) -> dict[str, Any]:
    """Return what every result of a batch depends on, as JSON values.

    Raises:
        ModelLoadError: the folder of the model cannot be read.
    """
    return {
        "settings": config.model_dump(mode="json"),
        "weights": weights_digest(config.model) or _commit(config.model, config.revision),
        "keep": sorted(keep),
    }


def item_key(item: BatchItem, prints: Sequence[str], identity: Mapping[str, Any]) -> str:
    """Return a SHA-256 over the clips (size and ends), the conversation, the part, the settings.

    Args:
        item: the item.
        prints: `fingerprint` of each of its videos, or a text for an unreadable one.
        identity: as returned by `batch_identity`, or as recorded in the folder.
    """
    content = {
        "videos": list(prints),
        "turns": [[turn.role, turn.text, list(turn.inputs)] for turn in item.turns],
        "answer": item.answer,
        "start": item.start_seconds,
        "end": item.end_seconds,
        "identity": {**identity, **item.identity},
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run_name(item: BatchItem, key: str) -> str:
    """Return the name of a run folder: plain stem of the first clip, and part of the key."""
    stem = PurePosixPath(item.videos[0]).stem if item.videos else ""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in stem)
    return f"{plain[:_NAME_LENGTH] or 'clip'}-{key[:16]}"


def _commit(model: str, revision: str | None) -> str:
    """Return the commit of a downloaded hub id; else its revision."""
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model, "config.json", revision=revision)
    return Path(cached).parent.name if isinstance(cached, str) else revision or "main"
