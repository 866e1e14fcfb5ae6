"""`maps.npz`: the arrays of an explanation, float16 and pickle-free."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tam_video.errors import ExportError, RunFolderError
from tam_video.types import Explanation, FloatArray

ARRAYS = ("maps", "word_maps", "text_scores")


def write_arrays(explanation: Explanation, path: Path) -> Path:
    """Write the maps and what is needed to place them.

    Keys: `maps` float16 [M, t, h, w], `word_maps` float16 [N, t, h, w], `text_scores`
    float16 [M, M], `indices` int64 [T], `pts_seconds` float64 [T], `slot_seconds` float64 [t].

    Raises:
        ExportError: the file can't be written.
    """
    halves = {name: getattr(explanation, name).astype(np.float16) for name in ARRAYS}
    try:
        np.savez_compressed(
            path,
            allow_pickle=False,
            indices=explanation.indices,
            pts_seconds=explanation.pts_seconds,
            slot_seconds=explanation.grid.slot_seconds(explanation.pts_seconds),
            **halves,
        )
    except OSError as exc:
        raise ExportError(f"can't write {path}: {exc}", hint="check space and permissions") from exc
    return path


def read_arrays(path: Path) -> dict[str, FloatArray]:
    """Read the maps back as float32, by the names in `ARRAYS`.

    Raises:
        RunFolderError: the file is missing, damaged, or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name].astype(np.float32) for name in ARRAYS}
    except (OSError, ValueError, KeyError, EOFError) as exc:
        raise RunFolderError(
            f"can't read {path}: {exc}", hint="the run is damaged: explain the clip again"
        ) from exc
