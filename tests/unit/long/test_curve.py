"""The motion of a long video in a bounded number of values."""

import pytest

from tam_video.long.gate import Motion
from tam_video.long.survey import MotionCurve


def curve_of(shares: dict[float, float]) -> dict:
    curve = MotionCurve(start_seconds=10, bin_seconds=0.5)
    for at, share in shares.items():
        curve.record(Motion(at, share))
    assert curve.num_looks == len(shares)
    return curve.as_dict()


def test_short_video_keeps_every_look() -> None:
    curve = curve_of({10.0: 0.1, 10.5: 0.0, 11.6: 0.3})
    assert curve == {"bin_seconds": 0.5, "shares": [0.1, 0.0, 0.0, 0.3]}


def test_long_video_keeps_the_largest_of_each_bin() -> None:
    curve = curve_of({10 + 0.5 * n: (0.7 if n == 20_001 else 0.001) for n in range(28_800)})
    assert len(curve["shares"]) <= 1440
    index = curve["shares"].index(0.7)
    assert index == int(20_001 * 0.5 / curve["bin_seconds"])
    assert sum(share == pytest.approx(0.001) for share in curve["shares"]) > 800


def test_no_look_has_no_bins() -> None:
    assert curve_of({})["shares"] == []
