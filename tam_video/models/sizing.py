"""The size that a processor makes of whole frames, found without any pixels."""

from __future__ import annotations

from typing import Any, TypeAlias

Size: TypeAlias = tuple[int, int]


def unknown_size(_processor: Any, _num_frames: int, _source: Size) -> Size | None:
    """For families that crop, tile or pad, or whose rule is not known."""
    return None


def size_by_rule(processor: Any, num_frames: int, source: Size) -> Size | None:
    """The size by the processor's own method, run on a tensor that has a shape and no values.

    Source: `resize` of transformers' video processors of the Qwen-VL line, called as `_preprocess`
    calls it.

    Args:
        processor: its `video_processor` resizes whole frames by their number and size.
        num_frames: how many the processor is given.
        source: (height, width) of a frame in pixels.

    Returns:
        (height, width); None where the processor does not resize, or would resize frames of that
        size once more.
    """
    rule = processor.video_processor
    if not rule.do_resize:
        return None
    size = _resized(rule, num_frames, source)
    return size if _resized(rule, num_frames, size) == size else None


def _resized(rule: Any, num_frames: int, source: Size) -> Size:
    import torch

    found = rule.resize(
        videos=torch.empty(1, num_frames, 3, *source, dtype=torch.uint8, device="meta"),
        size=rule.size,
        resample=rule.resample,
        factor=rule.patch_size * rule.merge_size,
        temporal_factor=rule.temporal_patch_size,
        cap_pixels_per_frame=bool(rule.cap_pixels_per_frame),
    )
    height, width = found.shape[-2:]
    return int(height), int(width)
