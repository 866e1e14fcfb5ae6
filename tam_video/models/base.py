"""Define the model interface (`VideoModel`) and the description of a model family (`Family`).

`VideoModel` is the interface that other packages use; it returns numpy arrays. `Family` describes
one `model_type`: how to locate its visual tokens and which options its processor needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from tam_video.errors import TokenAlignmentError
from tam_video.types import (
    Float64Array,
    FrameBatch,
    Generation,
    IntArray,
    Message,
    VideoInfo,
    VisualLayout,
)

LayerName: TypeAlias = int | float | Literal["input"]
"""A decoder layer: its number, maybe from the end, a fraction of the depth, or "input"."""

DEPTH_QUARTERS: tuple[LayerName, ...] = (0.25, 0.5, 0.75, -1)


def read_layers(
    layer: LayerName | Literal["auto"], *, mixes: bool = True
) -> tuple[LayerName, tuple[LayerName, ...]]:
    """Convert `layer` to the values of `layer` and `mixed_layers` in `GenerationOptions`.

    "auto" is the last layer, mixed with layers at every quarter of the depth if `mixes`.
    """
    if layer != "auto":
        return layer, ()
    return -1, DEPTH_QUARTERS if mixes else ()


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How to generate an answer, and from which decoder layers to compute its scores.

    Attributes:
        max_new_tokens: maximum length of the answer, in tokens.
        do_sample: sample tokens instead of taking the most probable one.
        temperature: softmax temperature; only with `do_sample`.
        top_p: nucleus probability in (0, 1]; only with `do_sample`.
        top_k: number of tokens to sample from, 0 for all; only with `do_sample`.
        seed: random seed of sampling.
        num_candidates: number of candidates kept for each answer token.
        layer: decoder layer whose states give the scores, through the final norm: 0..L-1, negative
            from the end, or a fraction of the depth in (0, 1) such as 0.75; -1 is the model's last
            hidden state, "input" the decoder's input (visual features before any layer).
        mixed_layers: additional layers whose scores are kept, each like `layer`; layers that are
            equal in this model count once.
        logits: "model": scores are the model's logits, with its softcap and scale; "head": the
            output of `lm_head`, before those.
        class_ids: "own": every token is scored for its own id. "reference": round 0 of the public
            code, which scores the first prompt token for the arg-max id at its position and the
            first answer token for the last id of the prompt (xmed-lab/TAM `tam.py`).
    """

    max_new_tokens: int = 128
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    num_candidates: int = 3
    layer: LayerName = -1
    mixed_layers: tuple[LayerName, ...] = ()
    logits: Literal["model", "head"] = "model"
    class_ids: Literal["own", "reference"] = "own"

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.num_candidates < 0 or self.top_k < 0:
            raise ValueError(
                "'max_new_tokens' must be at least 1, and 'num_candidates' and 'top_k' at least 0"
            )
        if not (self.temperature > 0 and 0 < self.top_p <= 1):
            raise ValueError("'temperature' must be above 0, and 'top_p' must be in (0, 1]")


DEFAULT_OPTIONS = GenerationOptions()


class VideoModel(Protocol):
    """A video multimodal LLM whose answers can be explained.

    Attributes:
        name: hub id, folder or alias that was loaded.
        revision: hub revision, if one was given.
        family: `model_type` of its config.
        dtype: name of its number type ("float32").
        device: its device ("cpu", "cuda:0").
        temporal_patch_size: frames that feed one temporal slot.
        num_layers: decoder layers.
        warnings: messages about the fallbacks taken while loading.
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
        """Choose frames by the model's own sampling rule.

        Args:
            info: the video.
            pts_seconds: float64 [n], increasing times of the frames to choose from.

        Returns:
            int64 [k], increasing indices into the n frames.
        """
        ...

    def frame_size(self, info: VideoInfo, num_frames: int) -> tuple[int, int] | None:
        """Return the size to which the model resizes frames. Readers decode frames at this size.

        Args:
            info: the video.
            num_frames: number of its frames that the model gets.

        Returns:
            (height, width) in pixels, neither above the source's; None if the model does not
            resize frames whole, or enlarges them.
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
        """Answer the last user message about the frames, or run the model on the given `answer`.

        Args:
            inputs: the frames of the video, or of each video and image of the conversation.
            conversation: turns ending with a user turn; see `Message.inputs`.
            options: options of generation and scores.
            answer: the answer to explain by teacher forcing; None to generate one.

        Returns:
            The answer with its tokens, layouts and scores. The tokens exclude control tokens such
            as the end of turn.

        Raises:
            ConfigError: the conversation or the answer is not valid.
            TokenAlignmentError: tokens and cells don't add up.
            ModelError: the model fails, for instance for lack of memory.
        """
        ...

    def shared_vision(self) -> AbstractContextManager[Callable[[], None]]:
        """Encode frames only once for consecutive questions inside the block; see `sharing`.

        Answers, scores and maps are bitwise the same. The vision tower's input and features of one
        clip stay in memory; the block gets a function that releases them.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A loaded model with its processor.

    Attributes:
        name: hub id, folder or alias that was loaded.
        revision: hub revision, if one was given.
        model: the transformers model, in evaluation mode.
        processor: the transformers processor.
        notes: messages about the fallbacks taken while loading.
    """

    name: str
    revision: str | None
    model: Any
    processor: Any
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPrompt:
    """The processor's output for frames and text, from which layouts are computed.

    Attributes:
        input_ids: int64 [L].
        fields: everything the processor returned, by name (`video_grid_thw`, ...): the model's
            inputs, and metadata.
        inputs: the frames of each vision input, in the order of the prompt.
    """

    input_ids: IntArray
    fields: Mapping[str, Any]
    inputs: tuple[FrameBatch, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PlacedLayout:
    """The layout of one vision input, and the positions of its cells in the prompt.

    Attributes:
        layout: slots, rows and columns, frames and view.
        positions: int64 [t*h*w], the sequence position of each cell, row-major.
    """

    layout: VisualLayout
    positions: IntArray

    def __post_init__(self) -> None:
        if self.positions.shape != (self.layout.num_cells,):
            t, h, w = self.layout.shape
            raise TokenAlignmentError(
                f"{len(self.positions)} visual tokens do not fill {t} x {h} x {w} cells",
                hint="the chat template or the processor does not belong to this model family",
            )


@dataclass(frozen=True, slots=True)
class LogitTransform:
    """The transform of the logits after `lm_head`: `z = cap * tanh(scale * z / cap)`.

    Attributes:
        scale: factor.
        softcap: bound of the absolute value, after the factor; None for no bound.
    """

    scale: float = 1.0
    softcap: float | None = None

    def __post_init__(self) -> None:
        if self.scale <= 0 or (self.softcap is not None and self.softcap <= 0):
            raise ValueError("'scale' and 'softcap' must be positive")


Status: TypeAlias = Literal["verified", "experimental", "broken-upstream"]
Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Family:
    """A description of all models with the same `model_type`.

    Attributes:
        model_type: `model_type` of the config.
        place: locates the cells of every vision input; raises `TokenAlignmentError` if visual
            tokens and grid don't add up.
        frames_per_slot: frames that feed one temporal slot, as text for the table.
        geometry: how source pixels become cells, as text for the table.
        status: "verified": the contract suite passes on the real class with random weights;
            "experimental": parts of it fail; "broken-upstream": transformers itself fails, see
            `problem`.
        problem: what does not work, shown to the user.
        default_fps: sampling rate if the processor has no rule of its own, frames per second.
        default_num_frames: number of frames in that case, for a family with a fixed number.
        least_frames: minimum number of frames for the processor; the last one is repeated.
        token_types: whether the model needs `mm_token_type_ids` (M-RoPE or two-way attention would
            be silently wrong without).
        processor_options: further `processor_kwargs` for the frames.
        answer_fill: value of an answer position in the inputs that have one value per position.
        logit_transform: what the model applies after its `lm_head`, from the config.
        frame_size: (height, width) that the processor resizes `num_frames` frames of a source's
            (height, width) to; None if it does not resize them whole, or its rule is unknown.
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
    processor_options: Callable[[Sequence[FrameBatch], Any], dict[str, Any]] = lambda *_: {}
    answer_fill: Mapping[str, int] = field(
        default_factory=lambda: {"attention_mask": 1, "mm_token_type_ids": 0}
    )
    logit_transform: Callable[[Any], LogitTransform] = lambda _: LogitTransform()
    frame_size: Callable[[Any, int, Size], Size | None] = lambda *_: None
    model_class: str = "AutoModelForImageTextToText"
    decoder_norm: str = "norm"
