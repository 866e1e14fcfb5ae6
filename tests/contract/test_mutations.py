"""A wrong layout has to fail the contract: the suite itself is put to the test."""

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


@pytest.fixture(scope="module", params=["qwen2_vl", "qwen3_vl", "internvl"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with quiet():
        folder = all_cases()[request.param].save(tmp_path_factory.mktemp(request.param))
    return load_model(str(folder))


def change_layout(model: Any, monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    family = model.adapter

    def place(prompt: Any, checkpoint: Any) -> tuple[PlacedLayout, ...]:
        return tuple(change(each) for each in family.place(prompt, checkpoint))

    monkeypatch.setattr(model, "adapter", replace(family, place=place))


@pytest.mark.parametrize("change", [transposed, reversed_slots, mirrored])
def test_mis_ordered_cells_are_noticed(
    model: Any, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    batch = make_batch(6, 96, 160)
    layout = visual_features(model, [batch])[0][0].layout
    if change is transposed and layout.h == layout.w:
        return  # a square grid turned over its diagonal is the mirrored case's twin
    change_layout(model, monkeypatch, change)
    with pytest.raises(AssertionError, match="moved most"):
        assert_cells_are_localised(model, [batch])


def test_mis_assigned_frames_are_noticed(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_batch(6, 96, 160)
    if len(visual_features(model, [batch])[0][0].layout.frame_slots[0]) == 1:
        change: Change = reversed_slots
    else:
        change = shifted_frames
    change_layout(model, monkeypatch, change)
    with pytest.raises(AssertionError):
        assert_frames_feed_their_slots(model, batch)
