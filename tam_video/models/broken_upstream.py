"""Model families that fail on videos in transformers. `load_model` refuses these families.

Kimi-K2.5: four frames are one slot of `video_token_id` after its time; the vision tower averages
them. The features are then split as if they had not been averaged, so any clip of two frames or
more fails; a last chunk of fewer than four frames can't be joined with the others. Source:
transformers 5.23, `models/kimi_k25`, `Kimi_K25Model.get_image_features`.

Nemotron-H Omni: two frames are one slot of `image_token_id` after their times. The video features
are one tensor with two axes per slot where the model's forward expects a sequence of tensors to
join. Source: transformers 5.23, `models/nemotron_h_omni`, `NemotronH_Omni_Reasoning_V3.forward`.
"""

from __future__ import annotations

from tam_video.errors import UnsupportedModelError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, PlacedLayout
from tam_video.models.placing import WHOLE


def _family(model_type: str, frames_per_slot: str, geometry: str, problem: str) -> Family:
    def refuse(_prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
        raise UnsupportedModelError(f"{checkpoint.name}: {problem}")

    return Family(
        model_type, refuse, frames_per_slot, geometry, status="broken-upstream", problem=problem
    )


KIMI_K25 = _family(
    "kimi_k25",
    "4",
    "shrunk, padded at the right and bottom",
    "transformers 5.23 fails on videos of Kimi-K2.5: Kimi_K25Model.get_image_features splits the "
    "features by t*h*w after the frames of a chunk were averaged (RuntimeError in torch.split)",
)
NEMOTRON_H_OMNI = _family(
    "nemotron_h_omni",
    "2",
    WHOLE,
    "transformers 5.23 fails on videos of Nemotron-H Omni: "
    "NemotronH_Omni_Reasoning_V3.forward calls torch.cat on the video features, which "
    "get_video_features returns as one tensor (TypeError)",
)
