"""Gemma 4: where its visual tokens sit, and its softcap.

A video's tokens are `video_token_id`: a run of h*w for each frame behind its time, `00:01`; an
image's are `image_token_id`, one run. The grid of a picture is read from the (x, y) of its patches,
which are padded with -1 and pooled. Pictures are resized whole. Larger models let all tokens of a
run see each other, by `mm_token_type_ids`. Source: transformers 5, `models/gemma4`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import (
    Checkpoint,
    EncodedPrompt,
    Family,
    LogitTransform,
    PlacedLayout,
)
from tam_video.models.placing import (
    FOREIGN,
    Kind,
    check_runs,
    place_videos_and_images,
    slot_frames,
    split_counts,
)
from tam_video.types import FrameBatch, IntArray, VisualLayout


def place_by_patch_positions(
    prompt: EncodedPrompt, checkpoint: Checkpoint
) -> tuple[PlacedLayout, ...]:
    """Place videos and images of Gemma 4.

    Raises:
        TokenAlignmentError: placeholders and patches don't add up.
    """

    def place(kind: Kind, batches: tuple[FrameBatch, ...]) -> list[PlacedLayout]:
        layouts = list(_layouts(prompt, checkpoint, batches, kind=kind))
        token = getattr(checkpoint.model.config, f"{kind}_token_id")
        positions = np.flatnonzero(prompt.input_ids == token)
        parts = split_counts(positions, [each.num_cells for each in layouts], kind=kind)
        for layout, part in zip(layouts, parts, strict=True):
            check_runs(part, [layout.h * layout.w] * layout.t, kind=kind)
        return list(map(PlacedLayout, layouts, parts))

    return place_videos_and_images(prompt, place)


def _layouts(
    prompt: EncodedPrompt, checkpoint: Checkpoint, batches: tuple[FrameBatch, ...], *, kind: Kind
) -> Iterator[VisualLayout]:
    if not batches:
        return
    pooling = int(getattr(checkpoint.processor, f"{kind}_processor").pooling_kernel_size)
    pictures = prompt.fields[f"{kind}_position_ids"].cpu().numpy()
    counts = [len(batch.frames) for batch in batches]
    given = prompt.fields["num_frames_per_video"].tolist() if kind == "video" else [1] * len(counts)
    if given != counts or len(pictures) != sum(counts):
        raise TokenAlignmentError(
            f"{kind}s of {counts} frames became {len(pictures)} pictures", hint=FOREIGN
        )
    first = 0
    for count in counts:
        sizes = {_pooled_size(picture, pooling) for picture in pictures[first : first + count]}
        if len(sizes) != 1:
            raise TokenAlignmentError(f"frames of one {kind} differ in size", hint=FOREIGN)
        h, w = sizes.pop()
        yield VisualLayout(count, h, w, slot_frames(count, temporal_patch_size=1))
        first += count


def _pooled_size(picture: IntArray, pooling: int) -> tuple[int, int]:
    """Rows and columns of tokens, from the (x, y) of patches int64 [p, 2], -1 where padded."""
    w, h = (picture.max(axis=0) + 1).tolist()
    if h % pooling or w % pooling or int((picture >= 0).all(axis=1).sum()) != h * w:
        raise TokenAlignmentError(
            f"{h} x {w} patches can't be pooled {pooling} x {pooling}", hint=FOREIGN
        )
    return h // pooling, w // pooling


def softcapped(config: Any) -> LogitTransform:
    """Gemma bounds its logits where `final_logit_softcapping` is set."""
    return LogitTransform(softcap=config.get_text_config().final_logit_softcapping)


GEMMA4 = Family(
    "gemma4",
    place_by_patch_positions,
    "1",
    "whole picture, resized",
    token_types=True,
    logit_transform=softcapped,
)
