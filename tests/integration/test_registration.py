"""The drawn heat lies where the map says, and where the object is, whatever the source is like."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from constructed import with_input
from odd_clips import X264, ffmpeg, set_display_matrix
from render_cases import explain

from tam_video.datasets.worlds import make_clip, write_scene
from tam_video.render.annotate import render_annotated
from tam_video.render.options import RenderOptions
from tam_video.render.overlay import color_table
from tam_video.types import Explanation, View, VisualLayout
from tam_video.video.reader import open_video

CLIP = make_clip(9, num_objects=2)
GRID, SLOTS = 14, 4
WHOLE = View()
CROP, PADDED = View(0.125, 0.125, 0.875, 0.875), View(0.0, -0.2, 1.0, 1.2)
FAMILIES = {
    "plain": ("plain", WHOLE),
    "rotated": ("rotated", WHOLE),
    "odd": ("odd", WHOLE),
    "cropped": ("plain", CROP),
    "padded": ("plain", PADDED),
    "rotated and cropped": ("rotated", CROP),
    "odd and padded": ("odd", PADDED),
}
PANES = {"overlay": (1, 0, 0), "side": (320 / 224, 328, 0)}  # scale, left, top of the picture


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, np.ndarray]]:
    """Per kind of source the file, and bool [T, H, W]: where its first object is as it is shown."""
    folder = tmp_path_factory.mktemp("shapes")
    plain, rotated, odd = (folder / f"{name}.mp4" for name in ("plain", "rotated", "odd"))
    write_scene(CLIP, plain)
    masks = np.stack([CLIP.masks(frame)[0] for frame in range(CLIP.num_frames)])
    shutil.copy(plain, rotated)
    set_display_matrix(rotated, turns=1)
    with open_video(rotated) as video:
        turns = -video.info.rotation_degrees // 90
        assert turns % 2
    pixels = np.stack([CLIP.render_frame(frame) for frame in range(CLIP.num_frames)])
    pixels = pixels[:, :221, :223]
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "223x221", "-r", "12", "-i", "-")
    ffmpeg(
        *raw, *X264[:4], "-pix_fmt", "yuv444p", odd, stdin=np.ascontiguousarray(pixels).tobytes()
    )
    return {
        "plain": (plain, masks),
        "rotated": (rotated, np.rot90(masks, turns, axes=(1, 2))),
        "odd": (odd, masks[:, :221, :223]),
    }


def mapped(path: Path, masks: np.ndarray, view: View) -> Explanation:
    """One word whose map is the object's share of each cell, at slots of one frame."""
    seen = explain(path, answer="it", frames=2)
    height, width = masks.shape[1:]
    indices = np.linspace(0, len(masks) - 1, SLOTS).round().astype(np.int64)
    layout = VisualLayout(SLOTS, GRID, GRID, tuple((k,) for k in range(SLOTS)), view)
    maps = np.zeros((1, SLOTS, GRID, GRID), dtype=np.float32)
    for slot, index in enumerate(indices):
        for row, column in np.ndindex(GRID, GRID):
            box = layout.cell_box(row, column, width=width, height=height)
            left, top, right, bottom = (round(edge) for edge in box)
            cell = masks[index][max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            maps[0, slot, row, column] = cell.mean() if cell.size else 0.0
    with open_video(path) as video:
        pts = video.timeline.pts_seconds[indices]
    return with_input(
        seen, indices=indices, pts_seconds=pts, layout=layout, maps=maps, word_maps=maps
    )


def map_centroid(seen: Explanation, slot: int, width: int, height: int) -> np.ndarray:
    """(x, y) in pixels of the map of a slot, by the boxes of its cells."""
    heat = seen.word_maps[0, slot]
    centres = np.array(
        [
            [
                np.mean(seen.layout.cell_box(row, column, width=width, height=height)[axis::2])
                for axis in (0, 1)
            ]
            for row, column in np.ndindex(GRID, GRID)
        ]
    )
    return heat.ravel() @ centres / heat.sum()


def drawn_heat(drawn: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """float [H, W]: the heat level that turns one picture into the other, by trying all of them."""
    shares, colors = 0.8 * np.arange(0, 256, 8) / 255, color_table("turbo")[::8].astype(float)
    best = np.full(drawn.shape[:2], np.inf)
    levels = np.zeros(drawn.shape[:2])
    for level, (share, color) in enumerate(zip(shares, colors, strict=True)):
        error = np.abs((1 - share) * plain + share * color - drawn).sum(axis=2)
        closer = error < best - 1e-9
        best[closer], levels[closer] = error[closer], level * 8 / 255
    levels[np.abs(drawn - plain).sum(axis=2) < 30] = 0.0  # what the encoder changed
    return levels


@pytest.mark.parametrize("layout", PANES)
@pytest.mark.parametrize("family", FAMILIES)
def test_drawn_heat_is_within_half_a_cell_of_the_map(sources, tmp_path, family, layout):
    kind, view = FAMILIES[family]
    path, masks = sources[kind]
    seen = mapped(path, masks, view)
    frames = {}
    for opacity in (0.8, 0.0):
        out = tmp_path / str(opacity)
        out.mkdir()
        look = RenderOptions(
            layout=layout, show_word=0, opacity=opacity, crf=4, speed_preset="ultrafast"
        )
        with open_video(render_annotated(seen, path, out, options=look).mp4) as video:
            frames[opacity] = video.read(seen.indices).frames.astype(float)
    height, width = masks.shape[1:]
    scale, left, top = PANES[layout]
    left = left or 2 * ((240 - width - width % 2) // 4)
    rows, columns = round(height * scale), round(width * scale)
    checked = 0
    for slot in range(SLOTS):
        if seen.word_maps[0, slot].sum() < 0.5:
            continue
        drawn, plain = (
            frames[opacity][slot][top : top + rows, left : left + columns] for opacity in frames
        )
        heat = drawn_heat(drawn, plain)
        down, across = np.mgrid[:rows, :columns] + 0.5
        got = np.array([(heat * across).sum(), (heat * down).sum()]) / heat.sum() / scale
        cell = (
            np.array([width * (view.right - view.left), height * (view.bottom - view.top)]) / GRID
        )
        off_map = np.abs(got - map_centroid(seen, slot, width, height)) / cell
        assert off_map.max() < 0.5
        ys, xs = np.nonzero(masks[seen.indices[slot]])
        off_object = np.abs(got - (xs.mean() + 0.5, ys.mean() + 0.5)) / cell
        assert off_object.max() < (0.5 if view != CROP else 1.5)  # a crop may cut the object
        checked += 1
    assert checked >= 2
