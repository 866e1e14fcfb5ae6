"""Make the sample clips: `python samples/make_samples.py`."""

from __future__ import annotations

from pathlib import Path

from tam_video.datasets.shapes import make_clip, write_clip

CLIPS = {"shapes.mp4": (9, 2), "three_shapes.mp4": (2, 3)}


def main() -> None:
    """Write the clips beside this file."""
    for name, (seed, num_objects) in CLIPS.items():
        path = write_clip(
            make_clip(seed, split="test", num_objects=num_objects), Path(__file__).with_name(name)
        )
        print(path)


if __name__ == "__main__":
    main()
