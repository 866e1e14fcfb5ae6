"""Tracks lie where the picture has the object: on real files, for every kind of layout."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from constructed import make_explanation, with_input
from render_cases import map_at

from tam_video.datasets.cells import cell_masks
from tam_video.localise import word_tracks
from tam_video.render.overlay import upsample
from tam_video.types import Explanation, VideoInfo, View, VisualLayout
from tam_video.video.reader import open_video

GRID = (8, 8)
FRAMES = np.arange(2, 46, 4)
VIEWS = {
    "whole": View(),
    "cropped": View(0.125, 0.0, 0.875, 1.0),
    "padded": View(0.0, -1 / 6, 1.0, 7 / 6),
}
CLIPS = ["h264_b", "vfr_mp4", "start5_mp4", "rot90", "rot270", "mirrored_rot90", "odd_444"]


class BrightBlocks:
    """The bright blocks in the upper half of decoded frames, as a clip of one object."""

    def __init__(self, path) -> None:
        with open_video(path) as video:
            self.info: VideoInfo = video.info
            self.times = video.timeline.pts_seconds
            self.frames = [frame.rgb.mean(axis=2) > 125 for frame in video.frames()]

    def masks(self, frame):
        mask = self.frames[frame].copy()
        mask[len(mask) // 2 :] = False
        return mask[None]


@cache
def bright_blocks(path) -> BrightBlocks:
    return BrightBlocks(path)


def explained(clip: BrightBlocks, view: View) -> Explanation:
    """A map that is 1 where a cell lies on the object, else nearly 0; a slot per frame."""
    slots = tuple((place,) for place in range(len(FRAMES)))
    layout = VisualLayout(len(FRAMES), *GRID, slots, view)
    (true,) = cell_masks(clip, layout, FRAMES)
    noise = np.random.default_rng(1).uniform(0, 0.1, true.shape)
    maps = np.where(true, 1.0, noise).astype(np.float32)[None]
    made = make_explanation(maps, info=clip.info)
    return with_input(made, indices=FRAMES, pts_seconds=clip.times[FRAMES], layout=layout)


def bounds(mask):
    ys, xs = np.nonzero(mask)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("view", VIEWS)
def test_boxes_cover_the_true_cells_and_no_more(clips, name, view):
    clip = bright_blocks(clips.path(name))
    explanation = explained(clip, VIEWS[view])
    (track,) = word_tracks(explanation, keep="all", frame_seconds=clip.times)
    size = {"width": clip.info.width, "height": clip.info.height}
    for slot, frame in enumerate(FRAMES.tolist()):
        true = explanation.maps[0, slot] == 1.0
        assert np.array_equal(track.mask[slot], true)
        if not true.any():
            assert track.box_at(frame) is None
            continue
        cells = [
            explanation.layout.cell_box(row, column, **size) for row, column in np.argwhere(true)
        ]
        left, top, right, bottom = np.transpose(cells)
        union = np.clip(
            [left.min(), top.min(), right.max(), bottom.max()],
            0,
            [clip.info.width, clip.info.height] * 2,
        )
        assert np.abs(np.subtract(track.box_at(frame), union)).max() <= 1


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("view", VIEWS)
def test_boxes_register_with_the_decoded_picture(clips, name, view):
    """A box lies on the bright blocks of its frame, to half a cell, where the model saw them."""
    clip = bright_blocks(clips.path(name))
    explanation = explained(clip, VIEWS[view])
    (track,) = word_tracks(explanation, keep="all", frame_seconds=clip.times)
    half_cell = 0.5 * max(
        (track.placement.view.right - track.placement.view.left) * clip.info.width / GRID[1],
        (track.placement.view.bottom - track.placement.view.top) * clip.info.height / GRID[0],
    )
    shown = track.placement.pixel_mask(np.ones(GRID, bool))
    boxes = {frame: box for frame in FRAMES.tolist() if (box := track.box_at(frame)) is not None}
    assert len(boxes) >= len(FRAMES) // 2
    for frame, box in boxes.items():
        object_mask = clip.masks(frame)[0] & shown
        assert np.abs(bounds(object_mask) - box).max() <= half_cell + 1


@pytest.mark.parametrize("view", VIEWS)
def test_masks_lie_under_the_drawn_heat(clips, view):
    """At a slot's time the drawn heat passes the half between hot and cold at the mask's edge."""
    clip = bright_blocks(clips.path("odd_444"))
    explanation = explained(clip, VIEWS[view])
    (track,) = word_tracks(explanation, keep="all", frame_seconds=clip.times)
    size = {"width": clip.info.width, "height": clip.info.height}
    for slot in track.slots.tolist():
        seconds = float(track.timeline.slot_seconds[slot])
        cells = map_at(explanation.word_maps[0], track.timeline.slot_seconds, seconds)
        heat = upsample(cells, **size, view=explanation.layout.view)
        mask = track.pixel_mask(slot)
        assert heat[mask].mean() > 180
        assert heat[~mask].mean() < 60
