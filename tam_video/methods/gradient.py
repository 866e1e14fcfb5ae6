"""Class activation maps from the visual states of a decoder layer and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tam_video.methods.base import Cost, Evidence, MethodMaps, probe_of, scaled_maps
from tam_video.models.probing import Probe, Target
from tam_video.types import Float64Array, FloatArray


@dataclass(frozen=True, slots=True)
class GradCam:
    """Grad-CAM on visual tokens: channels weighed by their mean gradient over all cells.

    Source: Selvaraju et al., ICCV 2017, arXiv:1610.02391, max(0, sum_d mean_v(g[v, d]) x[v, d]);
    cells stand for the pixels of a feature map.

    Attributes:
        layer: decoder layer, a number or a share of the depth; not the last one.
        target: what is differentiated.
    """

    layer: int | float = 0.5
    target: Target = "logit"
    name: ClassVar[str] = "grad-cam"
    cost: ClassVar[Cost] = "backward"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of the answer tokens."""
        probe = probe_of(evidence, self.name)
        return _explained(self.name, probe, self.layer, target=self.target, cam=grad_cam)


@dataclass(frozen=True, slots=True)
class LayerCam:
    """LayerCAM on visual tokens: each cell's channels weighed by its own positive gradients.

    Source: Jiang et al., TIP 2021, doi:10.1109/TIP.2021.3089943,
    max(0, sum_d max(0, g[v, d]) x[v, d]).

    Attributes:
        layer: decoder layer, a number or a share of the depth; not the last one.
        target: what is differentiated.
    """

    layer: int | float = 0.5
    target: Target = "logit"
    name: ClassVar[str] = "layer-cam"
    cost: ClassVar[Cost] = "backward"

    def explain(self, evidence: Evidence) -> MethodMaps:
        """Maps of the answer tokens."""
        probe = probe_of(evidence, self.name)
        return _explained(self.name, probe, self.layer, target=self.target, cam=layer_cam)


def grad_cam(states: FloatArray, gradient: FloatArray) -> Float64Array:
    """float64 [V], >= 0, from float32 [V, d] states and gradient."""
    weights = gradient.mean(axis=0, dtype=np.float64)
    cells: Float64Array = np.maximum(states.astype(np.float64) @ weights, 0)
    return cells


def layer_cam(states: FloatArray, gradient: FloatArray) -> Float64Array:
    """float64 [V], >= 0, from float32 [V, d] states and gradient."""
    weighed = states.astype(np.float64) * np.maximum(gradient, 0)
    cells: Float64Array = np.maximum(weighed.sum(axis=1), 0)
    return cells


def _explained(
    name: str,
    probe: Probe,
    layer: int | float,
    *,
    target: Target,
    cam: Callable[[FloatArray, FloatArray], Float64Array],
) -> MethodMaps:
    before = probe.cost
    found = probe.gradients(layer, target=target)
    scores = np.stack([cam(found.states, gradient) for gradient in found.gradients])
    return MethodMaps(name, scaled_maps(scores, probe.generation), probe.cost - before)
