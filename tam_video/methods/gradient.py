"""Class activation maps from a decoder layer's visual states and their gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tam_video.methods.base import Cost, ProbeMethod
from tam_video.models.probing import Probe, Target
from tam_video.types import Float64Array, FloatArray


@dataclass(frozen=True, slots=True)
class GradCam(ProbeMethod):
    """Grad-CAM on visual tokens. Each channel is weighted by its mean gradient over all cells.

    Source: Selvaraju et al., ICCV 2017, arXiv:1610.02391, max(0, sum_d mean_v(g[v, d]) x[v, d]);
    cells stand for the pixels of a feature map.

    Attributes:
        layer: decoder layer, an index or a share of the depth; not the last one.
        target: what is differentiated.
    """

    layer: int | float = 0.5
    target: Target = "logit"
    name: ClassVar[str] = "grad-cam"
    cost: ClassVar[Cost] = "backward"

    def cell_scores(self, probe: Probe) -> Float64Array:
        """Compute scores >= 0 with one backward pass per answer token: float64 [J, V]."""
        result = probe.gradients(self.layer, target=self.target)
        return np.stack([self.cam(result.states, gradient) for gradient in result.gradients])

    @staticmethod
    def cam(states: FloatArray, gradient: FloatArray) -> Float64Array:
        """Compute cell scores, float64 [V], from states and their gradient, both float32 [V, d]."""
        weights = gradient.mean(axis=0, dtype=np.float64)
        cells: Float64Array = np.maximum(states.astype(np.float64) @ weights, 0)
        return cells


class LayerCam(GradCam):
    """LayerCAM on visual tokens. In each cell, channels are weighted by positive gradients there.

    Source: Jiang et al., TIP 2021, doi:10.1109/TIP.2021.3089943,
    max(0, sum_d max(0, g[v, d]) x[v, d]). Options as `GradCam`.
    """

    name = "layer-cam"

    @staticmethod
    def cam(states: FloatArray, gradient: FloatArray) -> Float64Array:
        """Compute cell scores, float64 [V], from states and their gradient, both float32 [V, d]."""
        weighted = states.astype(np.float64) * np.maximum(gradient, 0)
        cells: Float64Array = np.maximum(weighted.sum(axis=1), 0)
        return cells
