"""Locate the visual tokens of Gemma 4, and read the softcap of the logits.

A video's tokens are `video_token_id`: a run of h*w for each frame after its time, `00:01`; an
image's are `image_token_id`, one run. The grid of a frame is read from the (x, y) of its patches,
which are padded with -1 and pooled. Frames are resized whole. In larger models all tokens of a run
attend to each other, by `mm_token_type_ids`. Source: transformers 5, `models/gemma4`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, Family, LogitTransform
from tam_video.models.placing import FOREIGN, WHOLE, Batches, Kind, frame_layouts, place_grids
from tam_video.types import IntArray, VisualLayout


def pooled_layouts(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: Batches
) -> list[VisualLayout]:
    """Compute each input's layout from the patch positions (x, y) that the processor returns."""
    pooling = int(getattr(checkpoint.processor, f"{kind}_processor").pooling_kernel_size)
    patches = prompt.fields[f"{kind}_position_ids"].cpu().numpy()
    counts = [len(batch.frames) for batch in batches]
    if kind == "video" and prompt.fields["num_frames_per_video"].tolist() != counts:
        raise TokenAlignmentError(f"the processor did not use {counts} frames", hint=FOREIGN)
    return frame_layouts([_pooled_size(each, pooling) for each in patches], batches, kind=kind)


def _pooled_size(patches: IntArray, pooling: int) -> tuple[int, int]:
    """Return (rows, columns) of tokens. `patches` has (x, y) in int64 [p, 2], or -1 as padding."""
    w, h = (patches.max(axis=0) + 1).tolist()
    if h % pooling or w % pooling or int((patches >= 0).all(axis=1).sum()) != h * w:
        raise TokenAlignmentError(
            f"{h} x {w} patches can't be pooled {pooling} x {pooling}", hint=FOREIGN
        )
    return h // pooling, w // pooling


def softcapped(config: Any) -> LogitTransform:
    """Return the logit transform: a softcap if the config has `final_logit_softcapping`."""
    return LogitTransform(softcap=config.get_text_config().final_logit_softcapping)


GEMMA4 = Family(
    "gemma4",
    partial(place_grids, layouts_of=pooled_layouts),
    "1",
    WHOLE,
    token_types=True,
    logit_transform=softcapped,
)
