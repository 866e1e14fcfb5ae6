"""Encode frames and messages as model inputs with the checkpoint's processor.

The processor does not sample or decode: it gets the frames that were read, and their exact times.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family
from tam_video.types import FrameBatch, Message

TICKS_PER_SECOND = 1_000_000


def encode_prompt(
    batches: Sequence[FrameBatch],
    conversation: Sequence[Message],
    *,
    checkpoint: Checkpoint,
    family: Family,
) -> tuple[dict[str, Any], EncodedPrompt]:
    """Encode videos, images and a conversation as model inputs.

    Args:
        batches: the frames of each vision input, in the order of the turns; the last frame of a
            short video is repeated up to the family's minimum.
        conversation: the turns, which refer to their inputs.
        checkpoint: the model and its processor.
        family: the options that the processor needs.

    Returns:
        The model's arguments as tensors on its device, and the encoded prompt for layouts.
    """
    processor = checkpoint.processor
    refuse_control_tokens((turn.text for turn in conversation), tokenizer=processor.tokenizer)
    videos = [batch for batch in batches if not batch.info.is_image]
    options: dict[str, Any] = {"return_metadata": True} if videos else {}
    if videos:
        options["do_sample_frames"] = False
        options["video_metadata"] = [
            video_metadata(batch, least=family.least_frames) for batch in videos
        ]
    if family.token_types:
        options["return_mm_token_type_ids"] = True
    encoded = processor.apply_chat_template(
        chat_messages(conversation, [_content(batch, family) for batch in batches]),
        tokenize=True,
        return_dict=True,
        add_generation_prompt=True,
        return_tensors="pt",
        processor_kwargs={**options, **family.processor_options(batches, processor)},
    )
    fields = dict(encoded)
    encoded.pop("video_metadata", None)
    if family.token_types and "mm_token_type_ids" not in encoded:
        raise TokenAlignmentError(
            "the processor returns no mm_token_type_ids", hint="update transformers to 5.2 or later"
        )
    inputs = {
        name: _to_device(name, value, checkpoint.model) for name, value in dict(encoded).items()
    }
    ids = inputs["input_ids"][0].cpu().numpy().astype(np.int64)
    return inputs, EncodedPrompt(ids, fields, tuple(batches))


def _to_device(name: str, value: Any, model: Any) -> Any:
    """Move an argument to the model's device, and convert pixels to the model's dtype."""
    if not hasattr(value, "to"):
        return value
    is_pixels = name.startswith("pixel_values") and value.is_floating_point()
    return value.to(model.device, dtype=model.dtype if is_pixels else value.dtype)


def _content(batch: FrameBatch, family: Family) -> dict[str, Any]:
    """Return the chat template's item for a video (uint8 [T, H, W, 3]) or image ([H, W, 3])."""
    if batch.info.is_image:
        return {"type": "image", "image": batch.frames[0]}
    return {"type": "video", "video": repeat_last(batch.frames, least=family.least_frames)}


def chat_messages(
    conversation: Sequence[Message], inputs: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the messages for a chat template, each with its videos and images before its text.

    Args:
        conversation: the turns, which refer to their inputs by number.
        inputs: the content of each input, such as `{"type": "video"}`.
    """
    return [
        {
            "role": turn.role,
            "content": [
                *(inputs[number] for number in turn.inputs),
                {"type": "text", "text": turn.text},
            ],
        }
        for turn in conversation
    ]


def repeat_last(frames: np.ndarray[Any, Any], *, least: int) -> np.ndarray[Any, Any]:
    """Repeat the last frame until there are `least` frames, which fill a temporal patch."""
    missing = max(0, least - len(frames))
    return np.concatenate([frames, frames[-1:].repeat(missing, axis=0)]) if missing else frames


def video_metadata(batch: FrameBatch, *, least: int = 1) -> Any:
    """Return metadata in which a frame's index is its time in microseconds, and fps is 1,000,000.

    Times are relative to the video's first frame. Qwen3-VL writes them into the prompt; Qwen2.5-VL
    computes the mean frame interval from `total_num_frames`, which is set accordingly. The indices
    are repeated up to `least`, like the frames.
    """
    from transformers.video_utils import VideoMetadata

    seconds = np.maximum(batch.pts_seconds - batch.info.start_seconds, 0.0)
    ticks = np.rint(seconds * TICKS_PER_SECOND).astype(np.int64)
    if len(ticks) > 1:
        spacing_seconds = float(seconds[-1] - seconds[0]) / (len(seconds) - 1)
    else:
        spacing_seconds = batch.info.duration_seconds
    indices = repeat_last(ticks, least=least).tolist()
    total = max(1, round(len(indices) * spacing_seconds * TICKS_PER_SECOND))
    return VideoMetadata(
        total_num_frames=total,
        fps=float(TICKS_PER_SECOND),
        duration=total / TICKS_PER_SECOND,
        width=batch.info.width,
        height=batch.info.height,
        frames_indices=indices,
    )


def control_ids(tokenizer: Any) -> frozenset[int]:
    """Return the ids of a tokenizer's control tokens: built-in and added special tokens."""
    added = tokenizer.added_tokens_decoder.items()
    return frozenset(tokenizer.all_special_ids) | {
        int(index) for index, token in added if token.special
    }


def refuse_control_tokens(texts: Iterable[str], *, tokenizer: Any) -> None:
    """Refuse texts with control tokens, which would start new messages or add visual tokens."""
    markers = tokenizer.convert_ids_to_tokens(sorted(control_ids(tokenizer)))
    for text in texts:
        for marker in markers:
            if marker in text:
                raise ConfigError(
                    f"the text contains the control token {marker!r}", hint="remove the token"
                )


def check_prompt_text(text: str, conversation: Sequence[Message]) -> None:
    """Check that prompt tokens decode to the messages, except for spaces, case and Unicode form."""
    turns = "".join(turn.text for turn in conversation if turn.role != "system")
    if _plain(text) != _plain(turns):
        raise TokenAlignmentError(
            f"the prompt tokens decode to {text[:60]!r}, not to the question {turns[:60]!r}",
            hint="the chat template of this checkpoint does not belong to this model family",
        )


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
