"""Nemotron-H Omni: known, but transformers fails on its videos.

Two frames are one slot of `image_token_id` behind their times. The video features come as one
tensor of two axes per slot where the model's forward expects a sequence of tensors to join. Source:
transformers 5.23, `models/nemotron_h_omni`, `NemotronH_Omni_Reasoning_V3.forward`.
"""

from __future__ import annotations

from tam_video.errors import UnsupportedModelError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout

PROBLEM = (
    "transformers 5.23 fails on videos of Nemotron-H Omni: "
    "NemotronH_Omni_Reasoning_V3.forward calls torch.cat on the video features, which "
    "get_video_features returns as one tensor (TypeError)"
)


def place(_prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
    """Refuse: there are no states of a video that could be placed.

    Raises:
        UnsupportedModelError: always.
    """
    raise UnsupportedModelError(f"{checkpoint.name}: {PROBLEM}")


NEMOTRON_H_OMNI = Family(
    "nemotron_h_omni",
    place,
    "2",
    "whole picture, resized",
    status="broken-upstream",
    problem=PROBLEM,
)
