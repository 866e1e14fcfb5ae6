"""Compute a digest of the weights of a local model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tam_video.errors import ModelLoadError
from tam_video.models.loading import PICKLE_SUFFIXES, locate
from tam_video.video.source import file_fingerprint

_SUFFIXES = (".json", ".jinja", ".model", ".safetensors", ".txt", *PICKLE_SUFFIXES)


def weights_digest(model: str) -> str | None:
    """Return the first 16 hex digits of a SHA-256 over the files in a checkpoint folder.

    Each file counts by its name and `file_fingerprint`. No weights are loaded.

    Args:
        model: as `load_model` takes it.

    Returns:
        The digest; None for a hub id, whose revision identifies the weights.

    Raises:
        ModelLoadError: the folder does not exist or can't be read.
    """
    folder = locate(model)
    if not isinstance(folder, Path):
        return None
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
        lines = [f"{path.name} {file_fingerprint(path)}" for path in files]
    except OSError as exc:
        raise ModelLoadError(f"can't read {folder}: {exc.strerror or exc}") from exc
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
