"""What a still camera sees when nothing happens, learned as it looks.

Owns: the light that is common to the whole picture, and the mixture of Gaussians behind each pixel.
Knows nothing of files, objects or time spans.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from tam_video.types import ByteArray

_BACKGROUND_SHARE = 0.7  # a mode belongs to the background while the modes before it weigh less
_MAX_GAIN = 3.0  # beyond it a picture is a new scene rather than the old one in another light
_BLUR_SIGMA_PX = 1.0
_FITTED_PX = 4096  # as many pixels tell the light as well as all of them
_MIN_FIT_LEVELS = 3.0  # grey levels that a pixel may miss the common light by and still tell it
_WHITE = 250  # a clipped pixel tells nothing of the light


class Background:
    """A learned background: mixture of Gaussians for each pixel, after the common light is undone.

    Source: Zivkovic, "Improved adaptive Gaussian mixture model for background subtraction", ICPR
    2004, as OpenCV's MOG2 has it. Differs: the rate follows the time between two looks, and a gain
    and an offset that the whole picture shares (a flash, a cloud, the exposure) are undone first.
    """

    def __init__(self, *, absorb_seconds: float, deviations: float, min_levels: float) -> None:
        """Start without a background.

        Args:
            absorb_seconds: how long a thing must stand still to become background.
            deviations: standard deviations from the background that count as another thing.
            min_levels: grey levels (of 255) that never count as another thing.
        """
        import cv2

        self._absorb_seconds = absorb_seconds
        self._model = cv2.createBackgroundSubtractorMOG2(
            varThreshold=deviations**2, detectShadows=False
        )
        self._model.setBackgroundRatio(_BACKGROUND_SHARE)
        self._model.setVarMin((min_levels / deviations) ** 2)
        self._num_looks = 0

    def look(self, luma: ByteArray, *, seconds_passed: float) -> NDArray[np.bool_]:
        """Learn from one picture and tell what is not background in it.

        Args:
            luma: uint8 [h, w], always of one size.
            seconds_passed: since the last look.

        Returns:
            bool [h, w]; all False at the first look, which is the background then.
        """
        import cv2

        blurred = cast("ByteArray", cv2.GaussianBlur(luma, (0, 0), _BLUR_SIGMA_PX))
        if self._num_looks:
            known = cast("ByteArray", self._model.getBackgroundImage())
            blurred = in_light_of(blurred, known)
        moved = self._model.apply(blurred, None, self._rate(seconds_passed))
        self._num_looks += 1
        return np.asarray(moved) > 0 if self._num_looks > 1 else np.zeros(luma.shape, np.bool_)

    def _rate(self, seconds_passed: float) -> float:
        """Share that a look gets of the background: the mean of the first ones, then decaying.

        A thing that stands still is background once the rest has decayed to `_BACKGROUND_SHARE`.
        """
        settled: float = 1 - _BACKGROUND_SHARE ** (max(seconds_passed, 0.0) / self._absorb_seconds)
        return max(settled, 1 / (self._num_looks + 1))


def in_light_of(luma: ByteArray, known: ByteArray) -> ByteArray:
    """`luma` with the gain and offset that bring most of its pixels to `known`.

    Two rounds of least squares: the second leaves out what the first fits worse than usual, which
    is what moved.

    Args:
        luma: uint8 [h, w].
        known: uint8 [h, w].

    Returns:
        uint8 [h, w].
    """
    import cv2

    step = max(1, luma.size // _FITTED_PX)
    seen, wanted = luma.ravel()[::step].astype(float), known.ravel()[::step].astype(float)
    gain, offset = 1.0, float(np.median(wanted - seen))
    for _ in range(2):
        misses = np.abs(gain * seen + offset - wanted)
        limit = max(3 * float(np.median(misses)), _MIN_FIT_LEVELS)
        gain, offset = _line(seen, wanted, (misses <= limit) & (seen < _WHITE), offset)
    return cast("ByteArray", cv2.convertScaleAbs(np.clip(luma * gain + offset, 0, 255)))


def _line(
    seen: NDArray[np.float64],
    wanted: NDArray[np.float64],
    told_by: NDArray[np.bool_],
    offset: float,
) -> tuple[float, float]:
    """Gain and offset of a least-squares line; gain 1 where the pixels don't tell."""
    seen, wanted = seen[told_by], wanted[told_by]
    if not seen.size:
        return 1.0, offset
    apart = seen - seen.mean()
    spread = float(apart @ apart)
    gain = float(apart @ wanted) / spread if spread > seen.size else 1.0
    gain = min(max(gain, 1 / _MAX_GAIN), _MAX_GAIN)
    return gain, float(wanted.mean() - gain * seen.mean())
