"""Read and write `maps.npz`, which holds the arrays of an explanation. Nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tam_video.errors import ExportError, RunFolderError
from tam_video.types import Explanation, FloatArray

MAPS = ("maps", "word_maps")


def write_arrays(explanation: Explanation, path: Path) -> Path:
    """Write the maps, the text scores, and the times of the sampled frames and of the slots.

    Keys: `maps` float16 [M, t, h, w], `word_maps` float16 [N, t, h, w], `indices` int64 [T],
    `pts_seconds` float64 [T], `slot_seconds` float64 [t]; names for the second and later
    inputs end with `_1`, `_2`, ...; and `text_scores` float16 [M, M].

    Raises:
        ExportError: the file can't be written.
    """
    arrays: dict[str, Any] = {"text_scores": explanation.text_scores.astype(np.float16)}
    for index, each in enumerate(explanation.inputs):
        own = {name: getattr(each, name).astype(np.float16) for name in MAPS}
        own |= {"indices": each.indices, "pts_seconds": each.pts_seconds}
        own["slot_seconds"] = each.layout.slot_seconds(each.pts_seconds)
        arrays |= {numbered(name, index): values for name, values in own.items()}
    try:
        np.savez_compressed(path, **arrays)
    except OSError as exc:
        raise ExportError(f"can't write {path}: {exc}", hint="check space and permissions") from exc
    return path


def read_arrays(
    path: Path, *, num_inputs: int
) -> tuple[FloatArray, tuple[dict[str, FloatArray], ...]]:
    """Read the maps and text scores of an explanation as float32.

    Returns:
        `text_scores`, and for each input its arrays by the names in `MAPS`.

    Raises:
        RunFolderError: the file is missing, damaged, or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            maps = tuple(
                {name: stored[numbered(name, index)].astype(np.float32) for name in MAPS}
                for index in range(num_inputs)
            )
            return stored["text_scores"].astype(np.float32), maps
    except (OSError, ValueError, KeyError, EOFError) as exc:
        raise RunFolderError(
            f"can't read {path}: {exc}", hint="the run is damaged: explain the clip again"
        ) from exc


def numbered(name: str, index: int) -> str:
    """Add the index of an input to a file or array name: `maps_1.npz`. Index 0 adds nothing."""
    path = Path(name)
    return f"{path.stem}_{index}{path.suffix}" if index else name
