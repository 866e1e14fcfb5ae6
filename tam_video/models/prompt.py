"""From frames and turns to what the model eats, through the checkpoint's own processor.

The processor never samples or decodes: it gets the frames that were read, and their true times.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tam_video.errors import ConfigError, TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt
from tam_video.types import FrameBatch, Message

TICKS_PER_SECOND = 1_000_000


def encode_prompt(
    batch: FrameBatch, conversation: Sequence[Message], *, checkpoint: Checkpoint
) -> tuple[dict[str, Any], EncodedPrompt]:
    """Encode a video and a conversation.

    Args:
        batch: the frames the model sees; a single one is repeated to fill a temporal patch.
        conversation: the turns; the video goes before the text of the first user turn.
        checkpoint: the model and its processor.

    Returns:
        The model's arguments as tensors on its device, and what layouts are made from.

    Raises:
        ConfigError: a turn contains a control token.
        TokenAlignmentError: the processor gave no `mm_token_type_ids`; M-RoPE would be wrong.
    """
    processor = checkpoint.processor
    refuse_control_tokens((turn.text for turn in conversation), tokenizer=processor.tokenizer)
    least = int(processor.video_processor.temporal_patch_size)
    frames = repeat_last(batch.frames, least=least)
    inputs = processor.apply_chat_template(
        chat_messages(conversation, frames),
        tokenize=True,
        return_dict=True,
        add_generation_prompt=True,
        return_tensors="pt",
        processor_kwargs={
            "do_sample_frames": False,
            "video_metadata": video_metadata(batch, least=least),
            "return_metadata": True,
            "return_mm_token_type_ids": True,
        },
    )
    inputs.pop("video_metadata", None)
    if "mm_token_type_ids" not in inputs:
        raise TokenAlignmentError(
            "the processor gives no mm_token_type_ids", hint="update transformers to 5.2 or later"
        )
    inputs = inputs.to(checkpoint.model.device, dtype=checkpoint.model.dtype)
    return dict(inputs), EncodedPrompt(
        inputs["input_ids"][0].cpu().numpy().astype(np.int64),
        inputs["video_grid_thw"].cpu().numpy().astype(np.int64),
        len(batch.frames),
    )


def chat_messages(conversation: Sequence[Message], video: Any) -> list[dict[str, Any]]:
    """Turns as transformers' chat templates take them, the video in the first user turn."""
    messages = []
    pending = True
    for turn in conversation:
        content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}]
        if pending and turn.role == "user":
            content.insert(0, {"type": "video", "video": video})
            pending = False
        messages.append({"role": turn.role, "content": content})
    return messages


def repeat_last(frames: np.ndarray[Any, Any], *, least: int) -> np.ndarray[Any, Any]:
    """Repeat the last of [T, ...] until there are `least` (Qwen3-VL refuses fewer than a patch)."""
    missing = max(0, least - len(frames))
    return np.concatenate([frames, frames[-1:].repeat(missing, axis=0)]) if missing else frames


def video_metadata(batch: FrameBatch, *, least: int = 1) -> Any:
    """Describe the frames by a clock of microseconds, so that index / fps is their true time.

    Times count from the video's first frame. Qwen3-VL writes them into the prompt; Qwen2.5-VL takes
    the frames' mean distance from `total_num_frames`, which is therefore their number times it.

    Args:
        batch: the frames.
        least: the indices are repeated up to this number, as the frames are.

    Returns:
        transformers' `VideoMetadata`.
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
    """Ids of a tokenizer's control tokens: named special tokens and those added as special."""
    added = tokenizer.added_tokens_decoder.items()
    return frozenset(tokenizer.all_special_ids) | {
        int(index) for index, token in added if token.special
    }


def refuse_control_tokens(texts: Iterable[str], *, tokenizer: Any) -> None:
    """Refuse texts that would be read as markers: they would add turns or visual positions.

    Raises:
        ConfigError: a text contains the spelling of a control token.
    """
    markers = tokenizer.convert_ids_to_tokens(sorted(control_ids(tokenizer)))
    for text in texts:
        for marker in markers:
            if marker in text:
                raise ConfigError(
                    f"the text contains the control token {marker!r}", hint="remove it"
                )


def check_prompt_text(found: str, conversation: Sequence[Message]) -> None:
    """Compare the text of the prompt tokens with the turns, up to spaces, case and Unicode form.

    Raises:
        TokenAlignmentError: the tokens taken for prompt text spell something else.
    """
    asked = "".join(turn.text for turn in conversation if turn.role != "system")
    if _plain(found) != _plain(asked):
        raise TokenAlignmentError(
            f"the prompt tokens spell {found[:60]!r}, not the question {asked[:60]!r}",
            hint="the chat template of this checkpoint is not the family's own",
        )


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
