"""Wrong layouts have to fail the contract suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from zoo import all_cases

from tam_video.models import PlacedLayout, load_model
from tam_video.models.boundary import quiet
from tam_video.testing import (
    assert_cells_are_localised,
    assert_frames_feed_their_slots,
    make_batch,
    visual_features,
)

Change = Callable[[PlacedLayout], PlacedLayout]


def transposed(placed: PlacedLayout) -> PlacedLayout:
    """Rows taken for columns."""
    layout = placed.layout
    return PlacedLayout(replace(layout, h=layout.w, w=layout.h), placed.positions)


def reversed_slots(placed: PlacedLayout) -> PlacedLayout:
    """The last slot first."""
    positions = placed.positions.reshape(placed.layout.t, -1)[::-1].ravel()
    return PlacedLayout(placed.layout, positions)


def mirrored(placed: PlacedLayout) -> PlacedLayout:
    """Columns from right to left."""
    positions = placed.positions.reshape(placed.layout.shape)[:, :, ::-1].ravel()
    return PlacedLayout(placed.layout, positions)


def shifted_frames(placed: PlacedLayout) -> PlacedLayout:
    """Slots fed one frame late."""
    frames = np.concatenate([np.array(slot) for slot in placed.layout.frame_slots])
    sizes = [1, *(len(slot) for slot in placed.layout.frame_slots[1:-1])]
    sizes.append(len(frames) - sum(sizes))
    slots = tuple(tuple(part.tolist()) for part in np.split(frames, np.cumsum(sizes)[:-1]))
    return PlacedLayout(replace(placed.layout, frame_slots=slots), placed.positions)


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with quiet():
        folder = all_cases()[request.param].save(tmp_path_factory.mktemp(request.param))
    return load_model(str(folder))


def change_layout(model: Any, monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    family = model.adapter

    def place(prompt: Any, checkpoint: Any) -> tuple[PlacedLayout, ...]:
        return tuple(change(each) for each in family.place(prompt, checkpoint))

    monkeypatch.setattr(model, "adapter", replace(family, place=place))


# InternVL's grid is square: transposed it is not another grid. Its slots hold one frame each.
CELL_CHANGES = [
    *((name, change) for name in ("qwen2_vl", "qwen3_vl") for change in (transposed, mirrored)),
    ("internvl", mirrored),
    *((name, reversed_slots) for name in ("qwen2_vl", "qwen3_vl", "internvl")),
]
FRAME_CHANGES = [
    ("qwen2_vl", shifted_frames),
    ("qwen3_vl", shifted_frames),
    ("internvl", reversed_slots),
]


@pytest.mark.parametrize(("model", "change"), CELL_CHANGES, indirect=["model"])
def test_cells_in_the_wrong_order_are_detected(
    model: Any, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    batch = make_batch(6, 96, 160)
    layout = visual_features(model, [batch])[0][0].layout
    assert change is not transposed or layout.h != layout.w
    change_layout(model, monkeypatch, change)
    with pytest.raises(AssertionError, match="changed most"):
        assert_cells_are_localised(model, [batch])


@pytest.mark.parametrize(("model", "change"), FRAME_CHANGES, indirect=["model"])
def test_frames_of_the_wrong_slot_are_detected(
    model: Any, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    batch = make_batch(6, 96, 160)
    frames_per_slot = len(visual_features(model, [batch])[0][0].layout.frame_slots[0])
    assert (frames_per_slot == 1) == (change is reversed_slots)
    change_layout(model, monkeypatch, change)
    with pytest.raises(AssertionError):
        assert_frames_feed_their_slots(model, batch)
