"""The motion of a long video over time, in a bounded number of bins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tam_video.long.gate import Motion

_MOST_BINS = 1440  # about the columns of a wide page


class MotionCurve:
    """The largest moved share of each bin; the bin length doubles when there are too many."""

    def __init__(self, *, start_seconds: float, bin_seconds: float) -> None:
        """Start without motions.

        Args:
            start_seconds: start of the first bin.
            bin_seconds: initial length of a bin.
        """
        self._start, self._bin_seconds = start_seconds, bin_seconds
        self._shares: list[float] = []
        self.num_looks = 0

    def watched(self, motions: Iterable[Motion]) -> Iterator[Motion]:
        """Pass motions on, and record each of them."""
        for motion in motions:
            self._record(motion)
            yield motion

    def _record(self, motion: Motion) -> None:
        self.num_looks += 1
        while (index := self._index(motion.pts_seconds)) >= _MOST_BINS:
            self._bin_seconds *= 2
            pairs = zip(self._shares[::2], [*self._shares[1::2], 0.0], strict=False)
            self._shares = [max(pair) for pair in pairs]
        self._shares += [0.0] * (index + 1 - len(self._shares))
        self._shares[index] = max(self._shares[index], motion.share)

    def _index(self, pts_seconds: float) -> int:
        return max(0, int((pts_seconds - self._start) / self._bin_seconds))

    def as_dict(self) -> dict[str, Any]:
        """Return `bin_seconds`, and `shares` with one value for each bin."""
        return {
            "bin_seconds": self._bin_seconds,
            "shares": [round(share, 5) for share in self._shares],
        }
