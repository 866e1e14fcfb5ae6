"""What a model is to the rest of tam-video, and what a family tells about itself.

`VideoModel` is all that the other stages know. `Family` is what one family file adds: where its
visual tokens sit and what its processor wants. Past this border there is numpy only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from tam_video.errors import TokenAlignmentError, UnsupportedModelError
from tam_video.models.sizing import Size, unknown_size
from tam_video.types import (
    Float64Array,
    FrameBatch,
    Generation,
    IntArray,
    Message,
    VideoInfo,
    VisualLayout,
)

LayerPlace: TypeAlias = int | float | Literal["input"]
"""A decoder layer: its number, maybe from the end, a share of the depth, or what enters it."""

DEPTH_QUARTERS: tuple[LayerPlace, ...] = (0.25, 0.5, 0.75, -1)


def read_layers(
    layer: LayerPlace | Literal["auto"], *, mixes: bool = True
) -> tuple[LayerPlace, tuple[LayerPlace, ...]]:
    """The layer and the further ones to ask for, as in `GenerationOptions`.

    Args:
        layer: one layer, or "auto".
        mixes: whether "auto" is several layers a quarter of the depth apart, beside the last.
    """
    if layer != "auto":
        return layer, ()
    return -1, DEPTH_QUARTERS if mixes else ()


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
        layer: decoder layer whose states the scores are read from, through the final norm: 0..L-1,
            negative from the end, or a share of the depth in (0, 1) such as 0.75; -1 is the model's
            own last hidden state, "input" what enters the decoder (visual features as they are).
        mixed_layers: further layers whose scores are kept, each as `layer`; layers that are the
            same in this model count once.
        logits: "model": scores are the model's own logits, with its softcap and scale; "head": what
            `lm_head` gives, before those.
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
    layer: LayerPlace = -1
    mixed_layers: tuple[LayerPlace, ...] = ()
    logits: Literal["model", "head"] = "model"
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

    def frame_size(self, info: VideoInfo, num_frames: int) -> tuple[int, int] | None:
        """The size that frames may be read in because the model would make them so small itself.

        Args:
            info: the video.
            num_frames: how many frames of it the model will be given.

        Returns:
            (height, width) in pixels, neither above the source's; None where the model does
            something else to frames than resize them whole, or makes them larger.
        """
        ...

    def generate(
        self,
        inputs: FrameBatch | Sequence[FrameBatch],
        conversation: Sequence[Message],
        *,
        options: GenerationOptions = DEFAULT_OPTIONS,
        answer: str | None = None,
    ) -> Generation:
        """Answer the last user turn about the frames, or explain the given `answer`.

        Args:
            inputs: the frames of the video, or of each video and image of the conversation.
            conversation: turns ending with a user turn; see `Message.inputs`.
            options: how the answer is made and read.
            answer: teacher forcing: the answer to explain instead of making one.

        Returns:
            The answer with its tokens, layouts and scores. Control tokens such as the end of
            turn are left out of the tokens: they are no part of the text.

        Raises:
            ConfigError: the conversation or the answer can't be asked.
            TokenAlignmentError: tokens and cells don't add up.
            ModelError: the model fails, for instance for lack of memory.
        """
        ...

    def shared_vision(self) -> AbstractContextManager[Callable[[], None]]:
        """Encode pictures once for questions in a row, while the block runs; see `sharing`.

        Answers, scores and maps stay the same to the last bit. What is kept takes memory: one
        clip's input to the vision tower and its features. The block is given a function that lets
        go of them.
        """
        ...


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
        fields: everything the processor returned, by its names (`video_grid_thw`, ...): what the
            model takes, and metadata that it does not.
        inputs: the frames of each vision input, in the order of the prompt.
    """

    input_ids: IntArray
    fields: Mapping[str, Any]
    inputs: tuple[FrameBatch, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedLayout:
    """The layout of one vision input and where its cells sit in the prompt.

    Attributes:
        layout: slots, rows and columns, frames and view.
        positions: int64 [t*h*w], the sequence position that stands for each cell, row-major.
    """

    layout: VisualLayout
    positions: IntArray

    def __post_init__(self) -> None:
        if self.positions.shape != (self.layout.num_cells,):
            t, h, w = self.layout.shape
            raise TokenAlignmentError(
                f"{len(self.positions)} visual tokens do not fill {t} x {h} x {w} cells",
                hint="the chat template or the processor is not the family's own",
            )


@dataclass(frozen=True, slots=True)
class LogitTransform:
    """What a model does to the output of its `lm_head`: `z = cap * tanh(scale * z / cap)`.

    Attributes:
        scale: factor.
        softcap: bound of the absolute value, after the factor; None for no bound.
    """

    scale: float = 1.0
    softcap: float | None = None

    def __post_init__(self) -> None:
        if self.scale <= 0 or (self.softcap is not None and self.softcap <= 0):
            raise ValueError("scale and softcap are positive")


Status: TypeAlias = Literal["verified", "experimental", "broken-upstream"]


def no_options(_batches: Sequence[FrameBatch], _processor: Any) -> dict[str, Any]:
    """No processor options beyond those that every family gets."""
    return {}


def plain_logits(_config: Any) -> LogitTransform:
    """`lm_head` gives the model's logits."""
    return LogitTransform()


@dataclass(frozen=True, slots=True)
class Family:
    """What a family file tells about its models: one value per `model_type` in the registry.

    Attributes:
        model_type: `model_type` of the config.
        place: finds the cells of every vision input; raises `TokenAlignmentError` where
            placeholders and grid don't add up.
        frames_per_slot: frames that feed one temporal slot, in words or a number, for the table.
        geometry: how source pixels become cells, in words, for the table.
        status: "verified": the contract suite passes on the real class with random weights;
            "experimental": some of it does not; "broken-upstream": transformers itself fails, which
            `problem` explains.
        problem: what does not work, in words; shown to the user.
        default_fps: sampling rate where the processor has no rule of its own, frames per second.
        default_num_frames: number of frames in that case, for a family that always takes so many.
        least_frames: frames that the processor needs at least; the last one is repeated.
        token_types: whether the model needs `mm_token_type_ids` (M-RoPE or two-way attention would
            be silently wrong without).
        processor_options: further `processor_kwargs` for given frames.
        answer_fill: value of an answer position in the inputs that have one value per position.
        logit_transform: what the model does after its `lm_head`, from the config.
        frame_size: (height, width) that the processor makes of `num_frames` whole frames of a
            source's (height, width); None where it does something else.
        model_class: the transformers class that loads it.
        decoder_norm: name of the decoder's final norm.
    """

    model_type: str
    place: Callable[[EncodedPrompt, Checkpoint], tuple[PlacedLayout, ...]]
    frames_per_slot: str
    geometry: str
    status: Status = "verified"
    problem: str = ""
    default_fps: float = 2.0
    default_num_frames: int | None = None
    least_frames: int = 1
    token_types: bool = False
    processor_options: Callable[[Sequence[FrameBatch], Any], dict[str, Any]] = no_options
    answer_fill: Mapping[str, int] = field(
        default_factory=lambda: {"attention_mask": 1, "mm_token_type_ids": 0}
    )
    logit_transform: Callable[[Any], LogitTransform] = plain_logits
    frame_size: Callable[[Any, int, Size], Size | None] = unknown_size
    model_class: str = "AutoModelForImageTextToText"
    decoder_norm: str = "norm"


def broken_family(model_type: str, frames_per_slot: str, geometry: str, problem: str) -> Family:
    """Return a family that transformers fails on; `load_model` refuses it with `problem`."""

    def refuse(_prompt: EncodedPrompt, checkpoint: Checkpoint) -> tuple[PlacedLayout, ...]:
        raise UnsupportedModelError(f"{checkpoint.name}: {problem}")

    return Family(
        model_type, refuse, frames_per_slot, geometry, status="broken-upstream", problem=problem
    )
