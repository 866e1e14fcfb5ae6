"""Kimi-K2.5: known, but transformers fails on its videos.

Four frames are one slot of `video_token_id` after its time; the vision tower averages them. The
features are then split as if they had not been averaged, so any clip of two frames or more fails;
a last chunk of fewer than four frames can't be joined with the others. Source: transformers
5.23, `models/kimi_k25`, `Kimi_K25Model.get_image_features`.
"""

from __future__ import annotations

from tam_video.models.base import broken_family

KIMI_K25 = broken_family(
    "kimi_k25",
    "4",
    "shrunk, padded at the right and bottom",
    "transformers 5.23 fails on videos of Kimi-K2.5: Kimi_K25Model.get_image_features splits the "
    "features by t*h*w after the frames of a chunk were averaged (RuntimeError in torch.split)",
)
