"""From frames and turns to what the model eats, through the checkpoint's own processor.

The processor never samples or decodes: it gets the frames that were read, and their true times.
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
    """Encode videos, images and a conversation.

    Args:
        batches: the frames of each vision input, in the order in which the turns show them; the
            last frame of a short video is repeated up to what the family needs.
        conversation: the turns, which name their inputs.
        checkpoint: the model and its processor.
        family: what the processor wants.

    Returns:
        The model's arguments as tensors on its device, and what layouts are made from.

    Raises:
        ConfigError: a turn contains a control token.
        TokenAlignmentError: the processor gave no `mm_token_type_ids` though the model needs them.
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
        chat_messages(conversation, [picture(batch, family=family) for batch in batches]),
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
            "the processor gives no mm_token_type_ids", hint="update transformers to 5.2 or later"
        )
    inputs = {name: _placed(name, value, checkpoint.model) for name, value in dict(encoded).items()}
    ids = inputs["input_ids"][0].cpu().numpy().astype(np.int64)
    return inputs, EncodedPrompt(ids, fields, tuple(batches))


def _placed(name: str, value: Any, model: Any) -> Any:
    """A model's argument on its device; pixels in its number type, times as they are."""
    if not hasattr(value, "to"):
        return value
    is_pixels = name.startswith("pixel_values") and value.is_floating_point()
    return value.to(model.device, dtype=model.dtype if is_pixels else value.dtype)


def picture(batch: FrameBatch, *, family: Family) -> np.ndarray[Any, Any]:
    """What a processor takes for an input: uint8 [T, H, W, 3] of a video, [H, W, 3] of an image."""
    if batch.info.is_image:
        image: np.ndarray[Any, Any] = batch.frames[0]
        return image
    return repeat_last(batch.frames, least=family.least_frames)


def chat_messages(conversation: Sequence[Message], pictures: Sequence[Any]) -> list[dict[str, Any]]:
    """Turns as transformers' chat templates take them, each turn's inputs before its text.

    Args:
        conversation: the turns, which name their inputs.
        pictures: arrays by the number of the input: 4 axes for a video, 3 for an image.
    """
    messages = []
    for turn in conversation:
        content: list[dict[str, Any]] = []
        for number in turn.inputs:
            kind = "video" if np.ndim(pictures[number]) == 4 else "image"
            content.append({"type": kind, kind: pictures[number]})
        content.append({"type": "text", "text": turn.text})
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
