"""Load video multimodal LLMs, generate answers, and compute the scores behind the maps.

The only package that imports transformers, which it does lazily, like torch.
"""

from tam_video.models.base import (
    Checkpoint,
    EncodedPrompt,
    Family,
    GenerationOptions,
    LogitTransform,
    PlacedLayout,
    VideoModel,
    read_layers,
)
from tam_video.models.conversation import check_conversation, parse_conversation, read_conversation
from tam_video.models.families import FAMILIES
from tam_video.models.loading import ALIASES, load_model

__all__ = [
    "ALIASES",
    "FAMILIES",
    "Checkpoint",
    "EncodedPrompt",
    "Family",
    "GenerationOptions",
    "LogitTransform",
    "PlacedLayout",
    "VideoModel",
    "check_conversation",
    "load_model",
    "parse_conversation",
    "read_conversation",
    "read_layers",
]
