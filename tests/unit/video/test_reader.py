"""The door to the readers stays light."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tam_video.video import Timeline
from tam_video.video.reader import checked_range


def test_importing_the_package_loads_no_decoding_library() -> None:
    code = (
        "import sys, tam_video.video, tam_video.samplers;"
        "print(sorted({'av', 'decord', 'cv2', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_timeline_needs_a_flag_for_each_time() -> None:
    with pytest.raises(ValueError, match=r"\[N\]"):
        Timeline(np.zeros(3), np.zeros(2, np.bool_))


def test_ranges_end_with_the_video() -> None:
    assert checked_range(2, None, num_frames=5) == range(2, 5)
    assert checked_range(5, 5, num_frames=5) == range(5, 5)
    for start, stop in ((-1, 2), (3, 2), (0, 6)):
        with pytest.raises(IndexError):
            checked_range(start, stop, num_frames=5)
