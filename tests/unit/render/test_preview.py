"""The files of moving previews."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tam_video.errors import ExportError
from tam_video.render import preview
from tam_video.render.fonts import FontStack
from tam_video.render.theme import BACKGROUND
from tam_video.types import FrameBatch, VideoInfo


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_a_preview_has_its_format_pictures_and_speed_and_repeats(kind, tmp_path):
    pictures = [np.full((24, 40, 3), level, np.uint8) for level in (0, 120, 250)]
    preview._save(pictures, tmp_path / "preview", kind)
    with Image.open(tmp_path / "preview") as image:
        assert (image.format, image.size, image.n_frames) == (kind, (40, 24), 3)
        assert image.info["loop"] == 0
        frames = [
            (np.asarray(frame.convert("RGB")).mean(), frame.info["duration"])
            for frame in ImageSequence.Iterator(image)
        ]
    assert [level for level, _ in frames] == pytest.approx([0, 120, 250], abs=3)
    # Hundredths of a second are all that a GIF can hold.
    assert [duration for _, duration in frames] == [120 if kind == "GIF" else 125] * 3


def ink(card):
    """Rows and columns with bright pixels."""
    bright = card.max(axis=2) > 120
    return np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))


@pytest.mark.parametrize(("width", "size"), [(480, 21), (440, 20), (220, 11), (64, 11)])
def test_a_title_is_centred_in_a_font_that_fits_the_width(width, size):
    fonts = FontStack(size)
    card = preview._title_card("HHH", width, 200, None)
    assert card.shape == (200, width, 3)
    assert (card[0, 0] == BACKGROUND).all()
    rows, columns = ink(card)
    length = fonts.length("HHH")
    assert columns.min() == pytest.approx((width - length) / 2, abs=3)
    assert columns.max() == pytest.approx((width + length) / 2, abs=3)
    ascent, descent = fonts.base.getmetrics()
    baseline = 100 - 1.25 * (ascent + descent) / 2 + ascent
    assert rows.max() + 1 == pytest.approx(baseline, abs=1)


def test_the_lines_of_a_title_are_apart_and_centred_and_at_most_four():
    fonts = FontStack(20)
    ascent, descent = fonts.base.getmetrics()
    line_px = 1.25 * (ascent + descent)
    for text, count in (("H\nH", 2), ("H\nH\nH\nH", 4), ("H\nH\nH\nH\nH", 4)):
        rows, _ = ink(preview._title_card(text, 440, 300, None))
        ends = [*rows[:-1][np.diff(rows) > 1], rows[-1]]
        first = (300 - count * line_px) / 2 + ascent
        wanted = [first + line_px * index - 1 for index in range(count)]
        assert ends == pytest.approx(wanted, abs=1)


def test_a_long_title_keeps_a_margin_of_a_font_size():
    _, columns = ink(preview._title_card("H" * 200, 440, 300, None))
    assert 20 <= columns.min() <= 40
    assert 400 <= columns.max() <= 420


def test_the_title_is_shown_first_and_fades_into_the_clip():
    frames = [np.full((40, 60, 3), level, np.uint8) for level in (200, 220, 240)]
    shown = preview._composed(frames, "", None)
    # 1.5 s of the title, and 3 frames that begin 0.375 s before its end: 12 + 3 - 3.
    assert len(shown) == 12
    levels = [int(frame[20, 30, 0]) for frame in shown]
    assert levels[:9] == [17] * 9
    assert 17 <= levels[9] < levels[10] < levels[11] < 240


def test_every_frame_of_the_clip_is_shown_in_order():
    frames = [np.full((40, 60, 3), 100 + 10 * index, np.uint8) for index in range(8)]
    shown = preview._composed(frames, "", None)
    assert len(shown) == 12 - 3 + 8
    assert [int(frame[20, 30, 0]) for frame in shown[12:]] == [130, 140, 150, 160, 170]


class Clip:
    """A clip of 1 s a frame, whose pictures have one brightness each."""

    def __init__(self, num_frames, width, height, *, duration):
        self.info = VideoInfo(Path("c.mp4"), num_frames, width, height, Fraction(1), duration)
        self.pts = 5.0 + np.arange(num_frames) * duration / num_frames
        self.timeline = type("Timeline", (), {"pts_seconds": self.pts})
        self.read_indices = []

    def read(self, indices):
        self.read_indices += [int(index) for index in indices]
        shape = (self.info.height, self.info.width, 3)
        frames = np.stack([np.full(shape, index, np.uint8) for index in indices])
        return FrameBatch(frames, np.asarray(indices), self.pts[np.asarray(indices)], self.info)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.mark.parametrize(
    ("duration", "num_frames", "indices"),
    [
        (0.01, 1, [0]),  # at least one picture
        (0.5, 2, [0, 0, 1, 1]),  # 8 a second
        (2.0, 4, [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4),
        (16.0, 64, [*range(64)]),  # at most 8 seconds: shown faster
        (128.0, 128, [*range(1, 128, 2)]),
    ],
)
def test_a_preview_has_eight_pictures_a_second_of_at_most_eight_seconds(
    monkeypatch, duration, num_frames, indices
):
    clip = Clip(num_frames, 8, 6, duration=duration)
    monkeypatch.setattr(preview, "open_video", lambda _: clip)
    frames = preview._sampled_frames(Path("c.mp4"))
    assert clip.read_indices == indices
    assert [int(frame[0, 0, 0]) for frame in frames] == indices


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((480, 270), (480, 270)),
        ((960, 300), (480, 150)),
        ((100, 50), (100, 50)),
        ((2000, 2), (480, 1)),
    ],
)
def test_a_preview_is_at_most_480_px_wide(monkeypatch, size, wanted):
    monkeypatch.setattr(preview, "open_video", lambda _: Clip(1, *size, duration=0.1))
    [frame] = preview._sampled_frames(Path("c.mp4"))
    assert (frame.shape[1], frame.shape[0]) == wanted


def test_a_gif_has_one_palette_with_the_colours_of_the_whole_clip(tmp_path):
    colors = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 10), (10, 250, 250)]
    pictures = [np.full((8, 8, 3), color, np.uint8) for color in colors for _ in range(3)]
    preview._save(pictures, tmp_path / "a.gif", "GIF")
    with Image.open(tmp_path / "a.gif") as image:
        shown = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    assert len(shown) == len(colors)  # equal neighbours are joined
    for frame, color in zip(shown, colors, strict=True):
        assert np.abs(frame.astype(int) - color).max() <= 8


def test_a_preview_is_written_whole_under_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr(preview, "open_video", lambda _: Clip(2, 40, 30, duration=0.5))
    for kind in ("gif", "webp"):
        path = tmp_path / f"preview.{kind}"
        assert preview.write_preview(Path("c.mp4"), path, title="What?") == path
        with Image.open(path) as image:
            assert image.format == kind.upper()
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ExportError):
        preview.write_preview(Path("c.mp4"), tmp_path / "no" / "a.gif", title="What?")
