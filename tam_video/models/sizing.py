"""Compute the size that a processor resizes frames to, without pixels."""

from __future__ import annotations

from typing import Any, TypeAlias

Size: TypeAlias = tuple[int, int]


def unknown_size(_processor: Any, _num_frames: int, _source: Size) -> Size | None:
    """Return None: the family crops, tiles or pads, or its rule is unknown."""
    return None


def size_by_rule(processor: Any, num_frames: int, source: Size) -> Size | None:
    """Return the size by the processor's own method, run on a meta tensor.

    Source: `resize` of transformers' video processors of the Qwen-VL families, called as in
    `_preprocess`.

    Args:
        processor: its `video_processor` resizes whole frames by their number and size.
        num_frames: number of frames passed to the processor.
        source: (height, width) of a frame in pixels.

    Returns:
        (height, width); None if the processor does not resize, or would resize frames of that size
        again.
    """
    rule = processor.video_processor
    if not rule.do_resize:
        return None
    size = _resized(rule, num_frames, source)
    return size if _resized(rule, num_frames, size) == size else None


def _resized(rule: Any, num_frames: int, source: Size) -> Size:
    import torch

    resized = rule.resize(
        videos=torch.empty(1, num_frames, 3, *source, dtype=torch.uint8, device="meta"),
        size=rule.size,
        resample=rule.resample,
        factor=rule.patch_size * rule.merge_size,
        temporal_factor=rule.temporal_patch_size,
        cap_pixels_per_frame=bool(rule.cap_pixels_per_frame),
    )
    height, width = resized.shape[-2:]
    return int(height), int(width)
