import contextlib
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from lookalikes import compressed, run_lengths, write_labels
from PIL import Image
from pycocotools import mask as coco

from tam_video.errors import DatasetError
from tam_video.evaluation.sets.masks import (
    IndexedMasks,
    ShapeMask,
    TrackMasks,
    decode_runs,
    fill_polygons,
    read_labels,
)

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))
SQUARE = [[1.0, 1.0, 6.0, 1.0, 6.0, 5.0, 1.0, 5.0]]


@given(MASKS)
def test_runs_of_coco_are_read_in_both_forms(mask):
    np.testing.assert_array_equal(decode_runs(compressed(mask)), mask)
    np.testing.assert_array_equal(decode_runs(run_lengths(mask)), mask)


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30))
def test_damaged_runs_are_a_typed_error_or_a_mask_of_that_size(text):
    with contextlib.suppress(DatasetError):
        assert decode_runs({"size": [5, 7], "counts": text}).shape == (5, 7)


@pytest.mark.parametrize(
    "runs",
    [
        None,
        [],
        {},
        {"size": [2, 2]},
        {"size": [2], "counts": [4]},
        {"size": [2, "2"], "counts": [4]},
        {"size": [0, 4], "counts": []},
        {"size": [2, 2], "counts": [3]},
        {"size": [2, 2], "counts": [-1, 5]},
        {"size": [2, 2], "counts": [4.0]},
        {"size": [2, 2], "counts": 4},
        {"size": [10**6, 10**6], "counts": [10**12]},
        {"size": [2, 2], "counts": "o" * 50},
        {"size": [2, 2], "counts": "\u00e9"},
    ],
)
def test_invalid_masks_are_refused(runs):
    with pytest.raises(DatasetError):
        decode_runs(runs)


def test_mask_of_another_size_is_refused():
    with pytest.raises(DatasetError, match="2x3"):
        decode_runs({"size": [2, 3], "counts": [6]}, size=(3, 2))


def test_polygons_are_filled_as_coco_does():
    polygons = [*SQUARE, [5.0, 4.0, 9.0, 4.0, 9.0, 8.0]]
    filled = fill_polygons(polygons, 10, 12)
    assert filled.sum() == coco.area(coco.merge(coco.frPyObjects(polygons, 10, 12)))
    assert filled[2, 2]
    assert not fill_polygons([], 3, 3).any()


@pytest.mark.parametrize(
    "polygons",
    ["x", [[1, 2]], [[0, 0, 1, 1, 2]], [[0, 0, 1, 1, float("nan"), 2]], [["a"] * 6], [[1e9] * 6]],
)
def test_invalid_polygons_are_refused(polygons):
    with pytest.raises(DatasetError):
        fill_polygons(polygons, 8, 8)


def test_parts_of_an_object_are_joined():
    runs = run_lengths(np.eye(8, dtype=bool))
    (mask,) = ShapeMask((SQUARE, runs), 8, 8).masks(0)
    np.testing.assert_array_equal(mask, fill_polygons(SQUARE, 8, 8) | np.eye(8, dtype=bool))
    assert not ShapeMask((), 4, 5).masks(0).any()


def test_indexed_pictures_tell_objects_apart(tmp_path):
    labels = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)
    path = write_labels(tmp_path / "0.png", labels)
    masks = IndexedMasks((path,), (2, 1, 7)).masks(0)
    np.testing.assert_array_equal(masks, np.stack([labels == 2, labels == 1, labels == 7]))
    grey = write_labels(tmp_path / "1.png", labels, indexed=False)
    np.testing.assert_array_equal(IndexedMasks((grey,)).masks(0), labels[None] > 0)


def test_colours_and_broken_files_are_no_masks(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "rgb.png")
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (4, 4)).save(tmp_path / "0.jpg")
    for name in ("rgb.png", "text.png", "0.jpg", "none.png"):
        with pytest.raises(DatasetError, match=name):
            read_labels(tmp_path / name)


def test_picture_that_would_fill_the_memory_is_refused_unread(tmp_path):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    with pytest.raises(DatasetError, match="large"):
        read_labels(tmp_path / "bomb.png")


def test_tracks_are_joined_frame_by_frame(tmp_path):
    first, second = np.zeros((2, 4, 5), bool)
    first[0, 0], second[1:3, 2] = True, True
    file = tmp_path / "mask_dict.json"
    file.write_text(json.dumps({"1": [compressed(first), None], "2": [None, run_lengths(second)]}))
    both = TrackMasks(file, ("1", "2"))
    np.testing.assert_array_equal(both.masks(0), first[None])
    np.testing.assert_array_equal(both.masks(1), second[None])
    assert not TrackMasks(file, ("1",)).masks(1).any()
    for tracks, frame in ((("3",), 0), (("1",), 2)):
        with pytest.raises(DatasetError):
            TrackMasks(file, tracks).masks(frame)


def test_track_that_is_never_seen_has_an_empty_mask(tmp_path):
    file = tmp_path / "other.json"
    file.write_text(json.dumps({"1": [None, None]}))
    assert TrackMasks(file, ("1",)).masks(1).tolist() == [[[False]]]
