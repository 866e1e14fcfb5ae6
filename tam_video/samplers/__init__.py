"""Choose which frames of a video the model receives."""

from tam_video.registry import Registry
from tam_video.samplers.base import FrameSampler, Window, window

SAMPLERS = Registry(
    kind="sampler",
    targets={
        "uniform": "tam_video.samplers.builtin:UniformSampler",
        "fps": "tam_video.samplers.builtin:FpsSampler",
        "timestamps": "tam_video.samplers.builtin:TimestampSampler",
        "all": "tam_video.samplers.builtin:AllSampler",
        "keyframes": "tam_video.samplers.builtin:KeyframeSampler",
        "native": "tam_video.samplers.builtin:NativeSampler",
    },
    group="tam_video.samplers",
)

__all__ = ["SAMPLERS", "FrameSampler", "Window", "window"]
