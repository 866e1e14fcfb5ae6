"""Export the maps, masks and boxes of the words as arrays in npz, safetensors or Zarr.

Arrays, K words: `maps` float32 [K, t, h, w] in [0, 1], `masks` bool [K, t, h, w], `boxes` int64
[K, t, 4] (x0, y0, x1, y1 in pixels, zeros for none), `energy` float64 [K, t], `word_indices` int64
[K], `slot_seconds` float64 [t], `edges_seconds` float64 [t + 1], `frame_slots` int64 [F] (the
slot of each source frame, 0-based; -1 for none). Times are presentation times of the source. The
words are the array `words` in an npz, otherwise a JSON list `words` in the metadata.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tam_video.export.exporter import Exporter, TrackedInput


def _arrays(tracked: TrackedInput) -> dict[str, NDArray[Any]]:
    tracks, timeline = tracked.tracks, tracked.timeline
    count, shape = len(tracks), tracked.explanation.layout.shape
    maps = np.array([track.heat for track in tracks], np.float32)
    masks = np.array([track.mask for track in tracks], np.bool_)
    boxes = np.array([track.boxes for track in tracks], np.int64)
    energy = np.array([track.energy for track in tracks], np.float64)
    return {
        "maps": maps.reshape(count, *shape),
        "masks": masks.reshape(count, *shape),
        "boxes": boxes.reshape(count, shape[0], 4),
        "energy": energy.reshape(count, shape[0]),
        "word_indices": np.array([track.word_index for track in tracks], np.int64),
        "slot_seconds": timeline.slot_seconds,
        "edges_seconds": timeline.edges_seconds,
        "frame_slots": timeline.frame_slots,
    }


def _write_npz(tracked: TrackedInput, folder: Path) -> None:
    words = np.array(tracked.labels, np.str_)
    path = folder / "word_maps.npz"
    np.savez_compressed(path, allow_pickle=False, words=words, **_arrays(tracked))


def _write_safetensors(tracked: TrackedInput, folder: Path) -> None:
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array) for name, array in _arrays(tracked).items()}
    words = json.dumps(tracked.labels, ensure_ascii=False)
    content = save(contiguous, metadata={"words": words})
    (folder / "word_maps.safetensors").write_bytes(content)


def _write_zarr(tracked: TrackedInput, folder: Path) -> None:
    import zarr

    group = zarr.create_group(folder / "word_maps.zarr")
    for name, array in _arrays(tracked).items():
        group.create_array(name, data=np.ascontiguousarray(array))
    group.attrs["words"] = list(tracked.labels)


NPZ, SAFETENSORS, ZARR = (
    Exporter(
        name=name,
        files=(f"word_maps.{name}",),
        summary=f"{library}: maps, masks and boxes per word and slot",
        index_base=0,
        write=write,
        package=package,
        extra=package,
    )
    for name, library, write, package in (
        ("npz", "NumPy", _write_npz, ""),
        ("safetensors", "safetensors", _write_safetensors, ""),
        ("zarr", "zarr", _write_zarr, "zarr"),
    )
)
