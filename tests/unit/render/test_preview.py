"""The files of moving previews."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tam_video.render import preview


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
