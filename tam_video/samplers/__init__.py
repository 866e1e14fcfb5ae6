"""Choose the frames of a video that the model gets."""

from tam_video.registry import Registry
from tam_video.samplers.base import FrameSampler, Window, window

SAMPLERS = Registry(
    kind="sampler",
    targets={
        "uniform": "tam_video.samplers.by_count:UniformSampler",
        "fps": "tam_video.samplers.by_time:FpsSampler",
        "timestamps": "tam_video.samplers.by_time:TimestampSampler",
        "all": "tam_video.samplers.by_count:AllSampler",
        "keyframes": "tam_video.samplers.by_count:KeyframeSampler",
        "native": "tam_video.samplers.native:NativeSampler",
    },
    group="tam_video.samplers",
)

__all__ = ["SAMPLERS", "FrameSampler", "Window", "window"]
