r"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: where their tokens sit.

Visual tokens are `video_token_id`, row-major (t, h, w) after merging: one run of t*h*w between the
vision markers (Qwen2, Qwen2.5), or one run of h*w for each slot behind its time, `<0.5 seconds>`
(Qwen3). Turns are ChatML: `<|im_start|>role\ntext<|im_end|>`. Source: transformers 5,
`models/qwen{2,2_5,3}_vl`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, PromptLayout
from tam_video.models.prompt import control_ids
from tam_video.types import IntArray, TokenGrid

TURN_START, TURN_END = "<|im_start|>", "<|im_end|>"
TEXT_ROLES = ("user", "assistant")
LONGEST_HEADER = 8


@dataclass(frozen=True, slots=True)
class QwenVL:
    """One family of Qwen models.

    Attributes:
        model_type: `model_type` of its config.
        runs: whether the visual tokens of a video are one run, or one run per slot.
        default_fps: sampling rate of the makers' own code (qwen-vl-utils), in frames per second.
    """

    model_type: str
    runs: Literal["one", "per_slot"]
    default_fps: float = 2.0

    def layout(self, prompt: EncodedPrompt, checkpoint: Checkpoint) -> PromptLayout:
        """Find the visual and the text tokens.

        Args:
            prompt: the encoded prompt.
            checkpoint: the model and processor that made it.

        Raises:
            TokenAlignmentError: placeholders and grid don't add up.
        """
        grid = _grid(prompt, checkpoint.processor.video_processor)
        config = checkpoint.model.config
        positions = np.flatnonzero(prompt.input_ids == config.video_token_id)
        self._check(positions, grid)
        return PromptLayout(grid, positions, tuple(_text_runs(prompt.input_ids, checkpoint)))

    def final_norm(self, decoder: Any) -> Any:
        """Return the RMS norm behind the last decoder layer."""
        return decoder.norm

    def _check(self, positions: IntArray, grid: TokenGrid) -> None:
        expected = [grid.h * grid.w] * grid.t
        if self.runs == "one":
            expected = [sum(expected)]
        found = [len(run) for run in split_runs(positions)]
        if found != expected:
            raise TokenAlignmentError(
                f"{self.model_type}: {len(positions)} visual tokens in {len(found)} runs, expected "
                f"{grid.t} x {grid.h} x {grid.w} in {len(expected)}",
                hint="the chat template or the processor is not the family's own",
            )


QWEN2_VL = QwenVL("qwen2_vl", "one")
QWEN2_5_VL = QwenVL("qwen2_5_vl", "one")
QWEN3_VL = QwenVL("qwen3_vl", "per_slot")


def split_runs(positions: IntArray) -> list[IntArray]:
    """Cut ascending positions int64 [n] where they are not neighbours."""
    if len(positions) == 0:
        return []
    return np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1)


def slot_frames(num_frames: int, *, temporal_patch_size: int) -> tuple[tuple[int, ...], ...]:
    """Say which of T frames feed each slot; a last slot that is not full repeats its last frame."""
    starts = range(0, num_frames, temporal_patch_size)
    return tuple(
        tuple(range(start, min(start + temporal_patch_size, num_frames))) for start in starts
    )


def _grid(prompt: EncodedPrompt, video_processor: Any) -> TokenGrid:
    merge = int(video_processor.merge_size)
    slots = slot_frames(
        prompt.num_frames, temporal_patch_size=int(video_processor.temporal_patch_size)
    )
    rows = prompt.grid_thw.tolist()
    if len(rows) != 1:
        raise TokenAlignmentError(f"expected one video in the prompt, found {len(rows)}")
    t, h, w = rows[0]
    if t != len(slots) or h % merge or w % merge:
        raise TokenAlignmentError(
            f"a patch grid of {t} x {h} x {w} does not fit {prompt.num_frames} frames in "
            f"{len(slots)} slots, merged {merge} x {merge}"
        )
    return TokenGrid(t, h // merge, w // merge, slots)


def _text_runs(ids: IntArray, checkpoint: Checkpoint) -> Iterator[IntArray]:
    tokenizer = checkpoint.processor.tokenizer
    config = checkpoint.model.config
    controls = np.isin(ids, list(control_ids(tokenizer)))
    for role, turn in _turns(ids, tokenizer):
        if role not in TEXT_ROLES:
            continue
        # Qwen3-VL nests markers: the template's own pair around one pair for each slot.
        opened = np.cumsum(ids[turn] == config.vision_start_token_id)
        closed = np.cumsum(ids[turn] == config.vision_end_token_id)
        yield from split_runs(turn[(opened <= closed) & ~controls[turn]])


def _turns(ids: IntArray, tokenizer: Any) -> Iterator[tuple[str, IntArray]]:
    """Role and positions of the text of every closed turn; the open one is the model's to fill."""
    start_id, end_id = tokenizer.convert_tokens_to_ids([TURN_START, TURN_END])
    starts, ends = np.flatnonzero(ids == start_id), np.flatnonzero(ids == end_id)
    if len(starts) == 0:
        raise TokenAlignmentError(
            f"the prompt holds no {TURN_START}",
            hint="the chat template of this checkpoint is not ChatML",
        )
    bounds = [*starts[1:].tolist(), len(ids)]
    for start, limit in zip(starts.tolist(), bounds, strict=True):
        closing = ends[(ends > start) & (ends < limit)]
        if len(closing) == 0:
            continue
        stop = int(closing[0])
        role, length = _header(ids[start + 1 : stop].tolist(), tokenizer)
        yield role, np.arange(start + 1 + length, stop)


def _header(ids: list[int], tokenizer: Any) -> tuple[str, int]:
    """Role and number of tokens of a turn's first line."""
    for length in range(1, min(len(ids), LONGEST_HEADER) + 1):
        role, newline, _rest = tokenizer.decode(ids[:length]).partition("\n")
        if newline:
            return role.strip(), length
    raise TokenAlignmentError("a turn of the prompt opens without the line of its role")
