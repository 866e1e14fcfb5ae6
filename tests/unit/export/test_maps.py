"""Maps, masks and boxes as arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from constructed import make_explanation, make_info

from tam_video.export.exporting import export_explanation

MAPS = np.zeros((2, 2, 1, 3), np.float32)
MAPS[0, 0, 0] = [0.0, 1.0, 0.5]
MAPS[1, 1, 0] = [0.25, 0.0, 0.0]
TYPES = {
    "maps": np.float32,
    "masks": np.bool_,
    "boxes": np.int64,
    "energy": np.float64,
    "word_indices": np.int64,
    "slot_seconds": np.float64,
    "edges_seconds": np.float64,
    "frame_slots": np.int64,
}


def read(folder, name):
    """Return the arrays and the words."""
    if name == "npz":
        with np.load(folder / "word_maps.npz", allow_pickle=False) as stored:
            arrays = dict(stored)
        return arrays, arrays.pop("words").tolist()
    if name == "zarr":
        import zarr

        group = zarr.open_group(folder / "word_maps.zarr", mode="r")
        return {key: array[...] for key, array in group.arrays()}, group.attrs["words"]
    from safetensors import safe_open

    with safe_open(folder / "word_maps.safetensors", "numpy") as stored:
        return {key: stored.get_tensor(key) for key in stored.keys()}, json.loads(  # noqa: SIM118
            stored.metadata()["words"]
        )


@pytest.mark.parametrize("name", ["npz", "safetensors", "zarr"])
def test_arrays_have_their_types_and_values(tmp_path, name):
    info = make_info(num_frames=4, width=30, height=10, start_seconds=1.0)
    one = make_explanation(MAPS, words=["ü", "b"], info=info)
    export_explanation(one, [name], tmp_path, keep="all")
    arrays, words = read(tmp_path, name)
    assert words == ["ü", "b"]
    assert {key: array.dtype for key, array in arrays.items()} == TYPES
    assert np.array_equal(arrays["maps"], MAPS)
    assert np.array_equal(arrays["masks"], MAPS > 0)
    assert arrays["boxes"].tolist() == [[[10, 0, 30, 10], [0] * 4], [[0] * 4, [0, 0, 10, 10]]]
    assert arrays["energy"].tolist() == [[1.5, 0.0], [0.0, 0.25]]
    assert arrays["word_indices"].tolist() == [0, 1]
    assert arrays["slot_seconds"] == pytest.approx([1.05, 1.25])
    assert arrays["edges_seconds"] == pytest.approx([1.0, 1.15, 1.4])
    assert arrays["frame_slots"].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("name", ["npz", "safetensors", "zarr"])
def test_an_answer_without_words_has_empty_arrays(tmp_path, name):
    one = make_explanation(np.zeros((0, 2, 1, 3), np.float32))
    export_explanation(one, [name], tmp_path)
    arrays, words = read(tmp_path, name)
    assert words == []
    shapes = {key: arrays[key].shape for key in ("maps", "masks", "boxes", "energy")}
    assert shapes == {
        "maps": (0, 2, 1, 3),
        "masks": (0, 2, 1, 3),
        "boxes": (0, 2, 4),
        "energy": (0, 2),
    }
