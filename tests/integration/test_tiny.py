"""The checkpoint that ships in the package."""

from __future__ import annotations

import json
from pathlib import Path

from tam_video.models import ALIASES, load_model

FOLDER = Path(ALIASES["tiny"])


def test_it_is_small_and_without_pickles():
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 12_000_000
    assert {path.suffix for path in files} <= {".json", ".jinja", ".safetensors", ".md"}


def test_it_is_a_real_class_with_a_card():
    config = json.loads((FOLDER / "config.json").read_text())
    assert config["architectures"] == ["Qwen3VLForConditionalGeneration"]
    assert (FOLDER / "MODEL_CARD.md").read_text().startswith("# tiny")


def test_it_loads_in_float32_and_samples_three_frames_a_second():
    import numpy as np

    from tam_video.video.reader import open_video

    model = load_model("tiny")
    assert (model.family, model.dtype, model.temporal_patch_size) == ("qwen3_vl", "float32", 2)
    with open_video(Path(__file__).parents[2] / "samples" / "shapes.mp4") as reader:
        taken = model.sample_native(reader.info, reader.timeline.pts_seconds)
    np.testing.assert_array_equal(taken, np.linspace(0, 47, 12).round())
