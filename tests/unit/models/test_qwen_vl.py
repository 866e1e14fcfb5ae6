"""Layouts from hand-written ids; the real processors are in the contract suite."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt
from tam_video.models.qwen_vl import QWEN2_VL, QWEN3_VL, slot_frames, split_runs

WORDS = [
    "<|im_start|>",
    "<|im_end|>",
    "<vs>",
    "<ve>",
    "<video>",
    "\n",
    "system",
    "user",
    "assistant",
    "what",
    " moves",
    "1.0 s",
    "user\n",
    "red",
]
NUM_SPECIAL = 5


class WordTokenizer:
    all_special_ids = (0, 1)

    @property
    def added_tokens_decoder(self) -> dict[int, SimpleNamespace]:
        return {i: SimpleNamespace(special=i < NUM_SPECIAL) for i in range(7)}

    def decode(self, ids: list[int]) -> str:
        return "".join(WORDS[i] for i in ids)

    def convert_tokens_to_ids(self, tokens: list[str]) -> list[int]:
        return [WORDS.index(token) for token in tokens]


def checkpoint() -> Checkpoint:
    video = SimpleNamespace(merge_size=2, temporal_patch_size=2)
    config = SimpleNamespace(video_token_id=4, vision_start_token_id=2, vision_end_token_id=3)
    processor = SimpleNamespace(video_processor=video, tokenizer=WordTokenizer())
    return Checkpoint("x", None, SimpleNamespace(config=config), processor)


def prompt(words: str, grid: tuple[int, int, int], num_frames: int) -> EncodedPrompt:
    ids = [WORDS.index({"_": "\n", "u": "user\n"}.get(word, word)) for word in words.split()]
    return EncodedPrompt(np.array(ids), np.array([grid]), num_frames)


def texts(layout: Any, encoded: EncodedPrompt) -> list[str]:
    return [WordTokenizer().decode(encoded.input_ids[run].tolist()) for run in layout.text_runs]


def test_one_run_between_the_markers() -> None:
    encoded = prompt(
        "<|im_start|> system _ what <|im_end|> _ <|im_start|> user _ <vs> <video> <video> <ve> what"
        " <|im_end|> _ <|im_start|> assistant _ red <|im_end|> _ <|im_start|> u what"
        " <|im_end|> _ <|im_start|> assistant _",
        (2, 2, 2),
        3,
    )
    layout = QWEN2_VL.layout(encoded, checkpoint())
    assert layout.visual_positions.tolist() == [10, 11]
    assert texts(layout, encoded) == ["what", "red", "what"]
    assert layout.grid.frame_slots == ((0, 1), (2,))


def test_times_inside_nested_markers_are_no_text() -> None:
    ids = [0, 7, 5, 2, 11, 2, 4, 3, 11, 2, 4, 3, 3, 9, 9, 1, 5, 0, 8, 5]
    encoded = EncodedPrompt(np.array(ids), np.array([[2, 2, 2]]), 4)
    layout = QWEN3_VL.layout(encoded, checkpoint())
    assert layout.visual_positions.tolist() == [6, 10]
    assert texts(layout, encoded) == ["whatwhat"]


@pytest.mark.parametrize(
    ("family", "ids", "grid", "num_frames"),
    [
        (QWEN2_VL, [0, 12, 2, 4, 3, 1], (2, 2, 2), 4),  # one placeholder lost
        (QWEN2_VL, [0, 12, 2, 4, 3, 4, 1], (2, 2, 2), 4),  # two runs
        (QWEN3_VL, [0, 12, 2, 4, 4, 3, 1], (2, 2, 2), 4),  # one run
        (QWEN2_VL, [0, 12, 2, 4, 4, 3, 1], (2, 2, 2), 6),  # frames don't fit the slots
        (QWEN2_VL, [0, 12, 2, 4, 4, 3, 1], (2, 3, 2), 4),  # not mergeable
        (QWEN2_VL, [12, 2, 4, 4, 3], (2, 2, 2), 4),  # not ChatML
        (QWEN2_VL, [0, 2, 4, 4, 3, 1], (2, 2, 2), 4),  # no role
    ],
)
def test_what_does_not_add_up_is_refused(
    family: Any, ids: list[int], grid: tuple[int, int, int], num_frames: int
) -> None:
    with pytest.raises(TokenAlignmentError):
        family.layout(EncodedPrompt(np.array(ids), np.array([grid]), num_frames), checkpoint())


def test_two_videos_are_not_read_as_one() -> None:
    encoded = EncodedPrompt(np.array([0, 12, 4, 4, 1]), np.array([[1, 2, 2], [1, 2, 2]]), 2)
    with pytest.raises(TokenAlignmentError, match="one video"):
        QWEN2_VL.layout(encoded, checkpoint())


def test_slots_take_frames_in_order() -> None:
    assert slot_frames(5, temporal_patch_size=2) == ((0, 1), (2, 3), (4,))
    assert slot_frames(1, temporal_patch_size=2) == ((0,),)
    assert slot_frames(3, temporal_patch_size=1) == ((0,), (1,), (2,))


def test_runs_are_cut_at_gaps() -> None:
    assert [run.tolist() for run in split_runs(np.array([1, 2, 5, 7, 8]))] == [[1, 2], [5], [7, 8]]
    assert split_runs(np.array([], dtype=np.int64)) == []
