"""A background model for video from a static camera.

Owns: the correction of global illumination changes, and the mixture of Gaussians of each pixel.
Knows nothing of files, objects or time spans.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from tam_video.types import ByteArray

_BACKGROUND_SHARE = 0.7  # a mode is background while the sum of the larger modes is below this
_MAX_GAIN = 3.0  # a larger gain is a new scene, not a change of illumination
_BLUR_SIGMA_PX = 1.0
_FITTED_PX = 4096  # number of pixels that the illumination is fitted to
_MIN_FIT_LEVELS = 3.0  # smallest residual, in grey levels, that excludes a pixel from the fit
_WHITE = 250  # clipped pixels are excluded from the fit


class Background:
    """Models the background as a mixture of Gaussians per pixel. Corrects changes of illumination.

    Source: Zivkovic, "Improved adaptive Gaussian mixture model for background subtraction", ICPR
    2004, in the implementation of OpenCV (MOG2). Differs: the learning rate depends on the time
    between two frames, and a global gain and offset (flash, cloud, exposure) are removed first.
    """

    def __init__(self, *, absorb_seconds: float, deviations: float, min_levels: float) -> None:
        """Create a model that has seen no frame.

        Args:
            absorb_seconds: time until a still object becomes background.
            deviations: foreground threshold, in standard deviations of the background.
            min_levels: smaller differences, in grey levels of 255, are never foreground.
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
        """Update the model with a frame, and return the foreground mask of the frame.

        Args:
            luma: uint8 [h, w], always of the same size.
            seconds_passed: time since the last frame.

        Returns:
            bool [h, w]; all False for the first frame, which becomes the background.
        """
        import cv2

        blurred = cast("ByteArray", cv2.GaussianBlur(luma, (0, 0), _BLUR_SIGMA_PX))
        if self._num_looks:
            background = cast("ByteArray", self._model.getBackgroundImage())
            blurred = match_illumination(blurred, background)
        moved = self._model.apply(blurred, None, self._rate(seconds_passed))
        self._num_looks += 1
        return np.asarray(moved) > 0 if self._num_looks > 1 else np.zeros(luma.shape, np.bool_)

    def _rate(self, seconds_passed: float) -> float:
        """Return the larger of two learning rates: of a running mean and of an exponential mean.

        A still object is background once the other modes have decayed to `_BACKGROUND_SHARE`.
        """
        decay: float = 1 - _BACKGROUND_SHARE ** (max(seconds_passed, 0.0) / self._absorb_seconds)
        return max(decay, 1 / (self._num_looks + 1))


def match_illumination(luma: ByteArray, background: ByteArray) -> ByteArray:
    """Return `luma`, uint8 [h, w], with its brightness and contrast fitted to `background`.

    Two rounds of least squares: the second excludes pixels with a large residual, which moved.
    """
    import cv2

    step = max(1, luma.size // _FITTED_PX)
    source, target = luma.ravel()[::step].astype(float), background.ravel()[::step].astype(float)
    gain, offset = 1.0, float(np.median(target - source))
    for _ in range(2):
        residuals = np.abs(gain * source + offset - target)
        limit = max(3 * float(np.median(residuals)), _MIN_FIT_LEVELS)
        gain, offset = _line(source, target, (residuals <= limit) & (source < _WHITE), offset)
    return cast("ByteArray", cv2.convertScaleAbs(np.clip(luma * gain + offset, 0, 255)))


def _line(
    source: NDArray[np.float64],
    target: NDArray[np.float64],
    selected: NDArray[np.bool_],
    offset: float,
) -> tuple[float, float]:
    """Fit a least-squares line. Return (gain, offset); the gain is 1 for nearly constant pixels."""
    source, target = source[selected], target[selected]
    if not source.size:
        return 1.0, offset
    centred = source - source.mean()
    spread = float(centred @ centred)
    gain = float(centred @ target) / spread if spread > source.size else 1.0
    gain = min(max(gain, 1 / _MAX_GAIN), _MAX_GAIN)
    return gain, float(target.mean() - gain * source.mean())
