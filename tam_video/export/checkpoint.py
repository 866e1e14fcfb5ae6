"""Which weights a model's name stands for."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tam_video.errors import ModelLoadError
from tam_video.models.loading import PICKLE_SUFFIXES, locate
from tam_video.video.source import file_fingerprint

_SUFFIXES = (".json", ".jinja", ".model", ".safetensors", ".txt", *PICKLE_SUFFIXES)


def weights_digest(model: str) -> str | None:
    """First 16 hex digits of a SHA-256 over the files of a checkpoint's folder.

    A file counts by its name, its size and its ends. Loads nothing.

    Args:
        model: as `load_model` takes it.

    Returns:
        The digest; None for a hub id, whose revision says which weights it stands for.

    Raises:
        ModelLoadError: there is no such folder, or it can't be read.
    """
    place = locate(model)
    if not isinstance(place, Path):
        return None
    try:
        files = sorted(path for path in place.iterdir() if path.suffix in _SUFFIXES)
        told = [f"{path.name} {file_fingerprint(path)}" for path in files]
    except OSError as exc:
        raise ModelLoadError(f"can't read {place}: {exc.strerror or exc}") from exc
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
