"""What a model is to the rest of tam-video, and what a family tells about itself.

`VideoModel` is all that the other stages know. `Family` is what one family file adds: where its
visual tokens and its text tokens sit. Past this border there is numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tam_video.types import (
    Float64Array,
    FrameBatch,
    Generation,
    IntArray,
    Message,
    TokenGrid,
    VideoInfo,
)


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How an answer is made and which states it is read from.

    Attributes:
        max_new_tokens: length limit of the answer, in tokens.
        do_sample: draw tokens at random instead of taking the most probable one.
        temperature: softness of the draw; only with `do_sample`.
        top_p: nucleus of the draw in (0, 1]; only with `do_sample`.
        top_k: number of tokens drawn from, 0 for all; only with `do_sample`.
        seed: seed of the draw.
        num_candidates: how many candidates are kept for each answer token.
        layer: decoder layer whose states the scores are read from, through the final norm: 0..L-1
            or negative from the end; -1 is the model's own last hidden state.
        class_ids: "own": every token is scored for its own id. "reference": round 0 of the public
            code, which scores the first prompt token for the arg-max id at its place and the first
            answer token for the last id of the prompt (xmed-lab/TAM `tam.py`).
    """

    max_new_tokens: int = 128
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    num_candidates: int = 3
    layer: int = -1
    class_ids: Literal["own", "reference"] = "own"

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.num_candidates < 0 or self.top_k < 0:
            raise ValueError("max_new_tokens is 1 or more; num_candidates and top_k 0 or more")
        if not (self.temperature > 0 and 0 < self.top_p <= 1):
            raise ValueError("temperature must be above 0 and top_p in (0, 1]")


DEFAULT_OPTIONS = GenerationOptions()


class VideoModel(Protocol):
    """A video multimodal LLM that can be asked and explained.

    Attributes:
        name: hub id, folder or alias it was loaded by.
        revision: hub revision, if one was asked for.
        family: `model_type` of its config.
        dtype: name of its number type ("float32").
        device: where it runs ("cpu", "cuda:0").
        temporal_patch_size: frames that feed one temporal slot.
        num_layers: decoder layers.
        warnings: fallbacks taken while loading, in words.
    """

    name: str
    revision: str | None
    family: str
    dtype: str
    device: str
    temporal_patch_size: int
    num_layers: int
    warnings: tuple[str, ...]

    def sample_native(self, info: VideoInfo, pts_seconds: Float64Array) -> IntArray:
        """Pick frames by the model's own sampling rule.

        Args:
            info: the video.
            pts_seconds: float64 [n], ascending times of the frames to choose from.

        Returns:
            int64 [k], ascending positions into the n frames.
        """
        ...

    def generate(
        self,
        batch: FrameBatch,
        conversation: Sequence[Message],
        *,
        options: GenerationOptions = DEFAULT_OPTIONS,
        answer: str | None = None,
    ) -> Generation:
        """Answer the last user turn about the frames, or explain the given `answer`.

        Args:
            batch: the frames the model sees.
            conversation: turns ending with a user turn; the video belongs to the first user turn.
            options: how the answer is made and read.
            answer: teacher forcing: the answer to explain instead of making one.

        Returns:
            The answer with its tokens, token grid and scores. Control tokens such as the end of
            turn are left out of the tokens: they are no part of the text.

        Raises:
            ConfigError: the conversation or the answer can't be asked.
            TokenAlignmentError: tokens and cells don't add up.
            ModelError: the model fails, for instance for lack of memory.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PromptLayout:
    """Where the pieces of an encoded prompt sit.

    Attributes:
        grid: the visual token grid.
        visual_positions: int64 [V], sequence positions of the visual tokens, row-major (t, h, w).
        text_runs: int64 [n] each, positions of the text of the user and assistant turns, in order:
            no system turn, no role header, no control token, nothing inside a vision block.
    """

    grid: TokenGrid
    visual_positions: IntArray
    text_runs: tuple[IntArray, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A loaded model with its processor.

    Attributes:
        name: hub id, folder or alias it was loaded by.
        revision: hub revision, if one was asked for.
        model: the transformers model, in evaluation mode.
        processor: the transformers processor.
        notes: fallbacks taken while loading, in words.
    """

    name: str
    revision: str | None
    model: Any
    processor: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPrompt:
    """What the processor made of frames and text, as far as a layout needs it.

    Attributes:
        input_ids: int64 [L].
        grid_thw: int64 [n, 3], patches before merging, one row per vision input.
        num_frames: frames that were really given (before any repetition).
    """

    input_ids: IntArray
    grid_thw: IntArray
    num_frames: int


class Family(Protocol):
    """What a family file tells about its models; one object per `model_type` in the registry."""

    @property
    def model_type(self) -> str:
        """`model_type` of the config."""
        ...

    @property
    def default_fps(self) -> float:
        """Sampling rate where the processor has no rule of its own, in frames per second."""
        ...

    def layout(self, prompt: EncodedPrompt, checkpoint: Checkpoint) -> PromptLayout:
        """Find the visual and the text tokens.

        Raises:
            TokenAlignmentError: placeholders and grid don't add up.
        """
        ...

    def final_norm(self, decoder: Any) -> Any:
        """Return the module that the decoder applies to its last layer's output."""
        ...
