"""VideoLLaMA3's dropped tokens: which cells borrow, and from where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from zoo.video_llama import CASES

from tam_video.errors import TokenAlignmentError
from tam_video.models import load_model
from tam_video.models.boundary import quiet
from tam_video.models.video_llama import place_kept
from tam_video.testing import (
    SHORT,
    assert_cells_are_localised,
    assert_frames_feed_their_slots,
    make_batch,
    make_image,
    visual_features,
)
from tam_video.types import FrameBatch, Message, VisualLayout

LAYOUT = VisualLayout(3, 1, 2, ((0,), (1,), (2,)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with quiet():
        folder = CASES["video_llama_3_compressed"].save(tmp_path_factory.mktemp("compressed"))
    return load_model(str(folder))


@pytest.fixture(scope="module")
def still_batch() -> FrameBatch:
    """The left third never changes, frame 3 repeats frame 2 whole."""
    batch = make_batch(5, 112, 168)
    frames = batch.frames.copy()
    frames[1:, :, :56] = frames[0, :, :56]
    frames[3] = frames[2]
    return replace(batch, frames=frames)


def test_still_cells_borrow_the_token_of_the_slot_before(
    model: Any, still_batch: FrameBatch
) -> None:
    (placed,), _features = visual_features(model, [still_batch])
    layout, places = placed.layout, placed.positions.reshape(placed.layout.shape)
    assert layout.shape == (5, 4, 6)
    deduplicated = np.zeros(layout.num_cells, dtype=bool)
    deduplicated[list(layout.deduplicated)] = True
    deduplicated = deduplicated.reshape(layout.shape)
    assert not deduplicated[0].any()
    assert deduplicated[1:, :, 0].sum() == 4 * 4 - 1  # frame 3 keeps one token, its first
    assert deduplicated[3].sum() == 4 * 6 - 1
    assert not deduplicated[1, :, 2:].any()
    for slot in range(1, layout.t):
        np.testing.assert_array_equal(
            places[slot][deduplicated[slot]], places[slot - 1][deduplicated[slot]]
        )
    own = placed.positions[~deduplicated.ravel()]
    assert (np.diff(own) > 0).all()


def test_own_cells_are_localised_beside_deduplicated_ones(
    model: Any, still_batch: FrameBatch
) -> None:
    assert_cells_are_localised(model, [still_batch], num_probes=12)
    assert_frames_feed_their_slots(model, still_batch)


def test_a_deduplicated_cell_looks_as_it_would_without_compression(
    model: Any, still_batch: FrameBatch
) -> None:
    (placed,), (shared,) = visual_features(model, [still_batch])
    processor = model.checkpoint.processor.video_processor
    processor.use_token_compression = False
    try:
        (full,), (own,) = visual_features(model, [still_batch])
    finally:
        processor.use_token_compression = True
    assert full.layout == replace(placed.layout, deduplicated=())
    deduplicated = list(placed.layout.deduplicated)
    apart = (shared - own).norm(dim=-1)[deduplicated].max()
    assert apart < 0.5 * (own[None] - own[:, None]).norm(dim=-1).median()


def test_an_answer_is_read_with_deduplicated_cells_and_an_image(
    model: Any, still_batch: FrameBatch
) -> None:
    turns = (Message("user", "which moves?", (0, 1)), Message("assistant", "it"))
    turns = (*turns, Message("user", "and here?", (2,)))
    inputs = [make_image(56, 84), still_batch, make_batch(2, 56, 84)]
    got = model.generate(inputs, turns, options=SHORT)
    assert [layout.t for layout in got.layouts] == [1, 5, 2]
    assert got.layouts[1].deduplicated
    assert not got.layouts[2].deduplicated
    assert len(got.visual_positions) == sum(layout.num_cells for layout in got.layouts)


def test_place_kept_chains_over_several_slots() -> None:
    kept = np.array([1, 1, 0, 1, 0, 1], dtype=bool)
    placed = place_kept(LAYOUT, kept, np.array([4, 5, 8, 11]), kind="video")
    assert placed.positions.tolist() == [4, 5, 4, 8, 4, 11]
    assert placed.layout.deduplicated == (2, 4)


@pytest.mark.parametrize(
    ("kept", "positions"),
    [
        ([0, 1, 1, 1, 1, 1], [5, 8, 9, 12, 13]),
        ([1, 1, 0, 1, 0, 1], [4, 6, 8, 11]),
        ([1, 1, 0, 1, 0, 1], [4, 5, 8, 9]),
    ],
    ids=["first slot not whole", "a slot in pieces", "two slots in one run"],
)
def test_place_kept_refuses_what_does_not_add_up(kept: list[int], positions: list[int]) -> None:
    with pytest.raises(TokenAlignmentError):
        place_kept(LAYOUT, np.array(kept, dtype=bool), np.array(positions), kind="video")
