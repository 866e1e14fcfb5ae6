"""How much moved over a long time, in a bounded number of values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tam_video.long.gate import Motion

_MOST_BINS = 1440  # about as many columns as a wide page has


class MotionCurve:
    """The largest moved share of each bin; bins double as the video grows, so memory is flat."""

    def __init__(self, *, start_seconds: float, bin_seconds: float) -> None:
        """Begin without a look.

        Args:
            start_seconds: time of the first bin's begin.
            bin_seconds: length of a bin at first.
        """
        self._start, self._bin_seconds = start_seconds, bin_seconds
        self._shares: list[float] = []
        self.num_looks = 0

    def watched(self, motions: Iterable[Motion]) -> Iterator[Motion]:
        """The same looks, noted as they pass."""
        for motion in motions:
            self._note(motion)
            yield motion

    def _note(self, motion: Motion) -> None:
        self.num_looks += 1
        while (place := self._place(motion.pts_seconds)) >= _MOST_BINS:
            self._bin_seconds *= 2
            pairs = zip(self._shares[::2], [*self._shares[1::2], 0.0], strict=False)
            self._shares = [max(pair) for pair in pairs]
        self._shares += [0.0] * (place + 1 - len(self._shares))
        self._shares[place] = max(self._shares[place], motion.share)

    def _place(self, pts_seconds: float) -> int:
        return max(0, int((pts_seconds - self._start) / self._bin_seconds))

    def as_dict(self) -> dict[str, Any]:
        """`bin_seconds` and `shares`, one for each bin from the begin on."""
        return {
            "bin_seconds": self._bin_seconds,
            "shares": [round(share, 5) for share in self._shares],
        }
