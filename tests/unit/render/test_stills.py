from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from render_cases import explanation

from tam_video.render import preview
from tam_video.render.context import RenderContext
from tam_video.render.options import RenderOptions
from tam_video.render.schedule import ClipClock
from tam_video.render.sheet import SheetPicture, SheetText
from tam_video.render.stills import contact_sheet
from tam_video.types import FrameBatch, VideoInfo, VisualLayout


class FakeReader:
    """A video of gray frames whose brightness is their index."""

    def __init__(self, num_frames, *, duration=4.0):
        self.info = VideoInfo(Path("c.mp4"), num_frames, 64, 32, Fraction(1), duration)
        self.pts = np.arange(num_frames) * duration / num_frames
        self.read_indices = []
        self.timeline = type("Timeline", (), {"pts_seconds": self.pts})

    def read(self, indices):
        self.read_indices += [int(index) for index in indices]
        frames = np.stack([np.full((32, 64, 3), index, np.uint8) for index in indices])
        return FrameBatch(frames, np.asarray(indices), self.pts[np.asarray(indices)], self.info)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def four_frames():
    """Two slots of two frames each."""
    seen = explanation()
    layout = VisualLayout(2, 1, 1, ((0, 1), (2, 3)))
    info = FakeReader(4).info
    first = replace(
        seen.inputs[0],
        info=info,
        indices=np.arange(4),
        pts_seconds=np.arange(4.0),
        layout=layout,
    )
    return replace(seen, inputs=(first,))


def sheet(**options):
    reader = FakeReader(4)
    clip = ClipClock(reader.pts, end_seconds=4.0)
    context = RenderContext(reader.info, clip, RenderOptions(**options), matrix=1, step=1)
    return contact_sheet(four_frames(), reader, context), reader


def test_a_slot_is_shown_by_its_middle_frame_at_the_slot_time():
    drawn, reader = sheet()
    assert reader.read_indices == [1, 3]
    times = [item.text for item in drawn.items if isinstance(item, SheetText)]
    assert "0:00.5" in times
    assert "0:02.5" in times


def test_the_hottest_slot_of_each_row_has_a_frame_of_three_pixels():
    drawn, _ = sheet(opacity=0.0)
    tiles = [item for item in drawn.items if isinstance(item, SheetPicture)][:4]
    accent = np.array((224, 112, 0))
    for index, tile in enumerate(tiles):
        framed = (tile.rgb == accent).all(axis=2)
        wanted = np.zeros_like(framed)
        if index % 2 == 1:  # the second slot is the hotter one
            wanted[:3] = wanted[-3:] = wanted[:, :3] = wanted[:, -3:] = True
        np.testing.assert_array_equal(framed, wanted)


def test_the_tiles_of_a_sheet_do_not_overlap_and_fit_the_page():
    drawn, _ = sheet()
    tiles = [item for item in drawn.items if isinstance(item, SheetPicture)][:4]
    height, width = tiles[0].rgb.shape[:2]
    assert width == 2 * height
    assert [tile.x - tiles[0].x for tile in tiles] == [0, width + 8, 0, width + 8]
    assert [tile.y - tiles[0].y for tile in tiles] == [0, 0, height + 8, height + 8]
    assert drawn.width == tiles[1].x + width + 36
    assert drawn.height > tiles[3].y + height


def test_a_preview_samples_the_middles_of_equal_steps(monkeypatch):
    reader = FakeReader(10, duration=1.0)
    monkeypatch.setattr(preview, "open_video", lambda _: reader)
    frames = preview._sampled_frames(Path("c.mp4"))
    assert reader.read_indices == [0, 1, 3, 4, 5, 6, 8, 9]
    assert [int(frame[0, 0, 0]) for frame in frames] == reader.read_indices
