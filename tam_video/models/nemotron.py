"""Nemotron-H Omni: known, but transformers fails on its videos.

Two frames are one slot of `image_token_id` after their times. The video features are one tensor
with two axes per slot where the model's forward expects a sequence of tensors to join. Source:
transformers 5.23, `models/nemotron_h_omni`, `NemotronH_Omni_Reasoning_V3.forward`.
"""

from __future__ import annotations

from tam_video.models.base import broken_family

NEMOTRON_H_OMNI = broken_family(
    "nemotron_h_omni",
    "2",
    "whole picture, resized",
    "transformers 5.23 fails on videos of Nemotron-H Omni: "
    "NemotronH_Omni_Reasoning_V3.forward calls torch.cat on the video features, which "
    "get_video_features returns as one tensor (TypeError)",
)
