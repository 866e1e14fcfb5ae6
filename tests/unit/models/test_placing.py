"""Runs, counts, slots and views, against loops and against pictures drawn cell by cell."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, PlacedLayout
from tam_video.models.placing import (
    Kind,
    centre_crop,
    check_runs,
    frame_layout,
    grid_layout,
    place_by_kind,
    resized_and_cropped,
    slot_frames,
    split_counts,
    split_runs,
    whole_patches,
)
from tam_video.testing import make_batch, make_image
from tam_video.types import FrameBatch, IntArray, View

ascending = st.sets(st.integers(0, 60)).map(lambda result: np.array(sorted(result), dtype=np.int64))
sides = st.integers(8, 400)


@given(positions=ascending)
@settings(deadline=None)
def test_runs_are_cut_where_a_position_is_missing(positions: np.ndarray[Any, Any]) -> None:
    slow: list[list[int]] = []
    for position in positions.tolist():
        if slow and slow[-1][-1] == position - 1:
            slow[-1].append(position)
        else:
            slow.append([position])
    assert [run.tolist() for run in split_runs(positions)] == slow
    check_runs(positions, [len(run) for run in slow], kind="video")


@given(counts=st.lists(st.integers(0, 9)))
@settings(deadline=None)
def test_counts_share_out_positions_in_order(counts: list[int]) -> None:
    positions = np.arange(sum(counts)) * 3
    parts = split_counts(positions, counts, kind="video")
    assert [len(part) for part in parts] == counts
    assert [place for part in parts for place in part.tolist()] == positions.tolist()


@pytest.mark.parametrize("number", [0, 5, 7])
def test_too_many_or_too_few_positions_are_refused(number: int) -> None:
    with pytest.raises(TokenAlignmentError, match=f"{number} image tokens .* need 6"):
        split_counts(np.arange(number), [2, 4], kind="image")


@pytest.mark.parametrize("lengths", [[], [5], [2, 3], [3, 1, 1], [3, 3]])
def test_runs_of_other_lengths_are_refused(lengths: list[int]) -> None:
    with pytest.raises(TokenAlignmentError, match="the video tokens come in 2 runs"):
        check_runs(np.array([4, 5, 6, 9, 10]), lengths, kind="video")


@given(num_frames=st.integers(1, 60), size=st.integers(1, 6))
@settings(deadline=None)
def test_every_frame_feeds_one_slot_and_only_the_last_slot_is_short(
    num_frames: int, size: int
) -> None:
    slots = slot_frames(num_frames, temporal_patch_size=size)
    assert [frame for slot in slots for frame in slot] == list(range(num_frames))
    assert all(len(slot) == size for slot in slots[:-1])
    assert 1 <= len(slots[-1]) <= size


def test_a_grid_of_patches_is_merged() -> None:
    layout = grid_layout([4, 6, 10], 7, merge_size=2, temporal_patch_size=2)
    assert layout.shape == (4, 3, 5)
    assert layout.frame_slots == ((0, 1), (2, 3), (4, 5), (6,))
    assert layout.view.is_full


@pytest.mark.parametrize("grid", [[3, 6, 10], [5, 6, 10], [4, 5, 10], [4, 6, 9]])
def test_a_grid_of_other_frames_or_sizes_is_refused(grid: list[int]) -> None:
    with pytest.raises(TokenAlignmentError, match="does not fit 7 frames in 4 slots"):
        grid_layout(grid, 7, merge_size=2, temporal_patch_size=2)


@given(width=sides, height=sides, edge=sides, crop=st.tuples(sides, sides))
@settings(deadline=None)
def test_a_centre_crop_is_a_box_of_source_pixels(
    width: int, height: int, edge: int, crop: tuple[int, int]
) -> None:
    view = centre_crop(width, height, shortest_edge=edge, crop=crop)
    scale = edge / min(width, height)
    for low, high, source, kept in (
        (view.left, view.right, width, crop[0]),
        (view.top, view.bottom, height, crop[1]),
    ):
        # In resized pixels: as long as the crop, and as far from one side as from the other.
        assert (high - low) * source * scale == pytest.approx(kept)
        assert low == pytest.approx(1 - high, abs=1e-9)


def test_the_crop_of_a_square_at_its_own_size_is_the_picture() -> None:
    assert centre_crop(224, 224, shortest_edge=224, crop=(224, 224)).is_full
    assert centre_crop(448, 224, shortest_edge=112, crop=(112, 112)) == View(left=0.25, right=0.75)


def processor(**settings: Any) -> SimpleNamespace:
    given = {
        "do_center_crop": True,
        "do_resize": True,
        "size": {"shortest_edge": 96},
        "crop_size": {"height": 96, "width": 96},
    }
    return SimpleNamespace(**{**given, **settings})


@pytest.mark.parametrize(
    ("settings", "view"),
    [
        ({}, View(left=0.2, right=0.8)),
        ({"do_center_crop": False}, View()),
        ({"size": {"shortest_edge": 192}}, View(left=0.35, right=0.65, top=0.25, bottom=0.75)),
        ({"do_resize": False, "size": {"shortest_edge": 192}}, View(left=0.2, right=0.8)),
        ({"size": {"height": 96, "width": 192}}, View(left=0.25, right=0.75)),
        ({"crop_size": {"height": 192, "width": 160}}, View(top=-0.5, bottom=1.5)),
    ],
)
def test_the_view_follows_the_processors_own_switches(settings: Any, view: View) -> None:
    result = resized_and_cropped(processor(**settings), make_batch(2, 96, 160))
    for side in ("left", "top", "right", "bottom"):
        assert getattr(result, side) == pytest.approx(getattr(view, side))


def test_patches_that_do_not_divide_leave_a_rest_out() -> None:
    assert whole_patches(View(), (84, 56), (14, 14)) == View()
    assert whole_patches(View(), (100, 60), (16, 16)) == View(right=0.8, bottom=0.96)
    inner = whole_patches(View(0.25, 0.0, 0.75, 1.0), (100, 100), (40, 50))
    assert inner == View(0.25, 0.0, 0.75, 0.8)


def test_visual_tokens_without_inputs_are_refused() -> None:
    config = SimpleNamespace(video_token_id=7, image_token_id=-2)
    checkpoint = Checkpoint("any", None, SimpleNamespace(config=config), None)
    with pytest.raises(TokenAlignmentError, match="1 video tokens are in the prompt"):
        place_by_kind(EncodedPrompt(np.arange(9), {}, ()), checkpoint, lambda *_: [])


def test_each_frame_is_a_slot_of_its_own() -> None:
    layout = frame_layout(3, (2, 5), View(right=1.25))
    assert (layout.shape, layout.frame_slots) == ((3, 2, 5), ((0,), (1,), (2,)))
    assert layout.view.right == 1.25


@given(kinds=st.lists(st.sampled_from(["video", "image"]), max_size=6))
@settings(deadline=None, max_examples=40)
def test_videos_and_images_come_back_in_the_order_of_the_prompt(kinds: list[Kind]) -> None:
    clip, picture = make_batch(1, 8, 8), make_image(8, 8)
    inputs = tuple(replace(clip if kind == "video" else picture) for kind in kinds)
    called: list[Kind] = []

    def place(
        kind: Kind, batches: tuple[FrameBatch, ...], _positions: IntArray
    ) -> list[PlacedLayout]:
        called.append(kind)
        return [
            PlacedLayout(frame_layout(1, (1, 1), View()), np.array([_index(batch)]))
            for batch in batches
        ]

    def _index(batch: FrameBatch) -> int:
        return next(number for number, other in enumerate(inputs) if other is batch)

    config = SimpleNamespace(video_token_id=-1, image_token_id=-2)
    checkpoint = Checkpoint("any", None, SimpleNamespace(config=config), None)
    placed = place_by_kind(EncodedPrompt(np.arange(9), {}, inputs), checkpoint, place)
    assert [int(each.positions[0]) for each in placed] == list(range(len(inputs)))
    assert called == [kind for kind in ("video", "image") if kind in kinds]
