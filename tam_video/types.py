"""The frozen values that flow between the stages.

numpy and the standard library only. Shapes are checked where a value is made, so that a stage may
trust what it is given. Axes: T frames, t temporal slots, (h, w) token grid, (H, W) pixels, M text
tokens (prompt text first, then the answer), S sequence positions, V visual cells (t*h*w of each
input), N words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FloatArray: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
ByteArray: TypeAlias = NDArray[np.uint8]
Role: TypeAlias = Literal["system", "user", "assistant"]
Profile: TypeAlias = Literal["default", "published", "reference"]
PublishedProfile: TypeAlias = Literal["published", "reference"]


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _describe(value: Any) -> str:
    """`Name(frames=uint8[8, 96, 128, 3], info=...)`: arrays by dtype and shape."""
    parts = []
    for item in fields(value):
        got = getattr(value, item.name)
        shown = f"{got.dtype}{list(got.shape)}" if isinstance(got, np.ndarray) else repr(got)
        parts.append(f"{item.name}={shown}")
    return f"{type(value).__name__}({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video after its packets were listed, before pixels are decoded.

    Attributes:
        path: the file.
        num_frames: frames that a player shows, counted from the packets, not from the header.
        width: display width in pixels AFTER rotation (frames come in this size).
        height: display height in pixels after rotation.
        average_fps: `num_frames / duration`, exact where the container gives it; for display.
        duration_seconds: end of the last frame minus start of the first.
        start_seconds: pts of the first shown frame.
        rotation_degrees: rotation that the readers applied, clockwise: 0, 90, 180 or 270.
        codec: codec name as FFmpeg spells it ("h264").
        pixel_format: pixel format as FFmpeg spells it ("yuv420p10le").
        has_audio: whether an audio stream is there.
        is_mirrored: whether the readers flipped left and right before they rotated.
        color_space: matrix that the readers decode with: "bt709", "bt601", "bt2020", "fcc",
            "smpte240m" or "rgb".
        color_range: "limited" or "full", of the stored pixels.
        sample_aspect_ratio: width of a pixel over its height, as displayed; frames are not resized.
        time_base: seconds per tick of the stream's clock.
        is_image: whether it is a still picture, which a model sees as an image of one slot.
    """

    path: Path
    num_frames: int
    width: int
    height: int
    average_fps: Fraction
    duration_seconds: float
    start_seconds: float = 0.0
    rotation_degrees: int = 0
    codec: str = ""
    pixel_format: str = ""
    has_audio: bool = False
    is_mirrored: bool = False
    color_space: str = ""
    color_range: str = ""
    sample_aspect_ratio: Fraction = Fraction(1)
    time_base: Fraction = Fraction(1, 1000)
    is_image: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Frames that were really read, with their places in the source.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB, upright (rotation applied).
        indices: int64 [T], 0-based frame numbers in display order.
        pts_seconds: float64 [T], presentation times as the container has them (not shifted to 0).
        info: the video they came from.
    """

    frames: ByteArray
    indices: IntArray
    pts_seconds: Float64Array
    info: VideoInfo

    def __post_init__(self) -> None:
        _check(self.frames.ndim == 4 and self.frames.shape[3] == 3, "frames must be [T, H, W, 3]")
        _check(self.frames.dtype == np.uint8, "frames must be uint8")
        _check(len(self.frames) > 0, "a batch holds one frame at least")
        _check(
            self.indices.shape == self.pts_seconds.shape == (len(self.frames),),
            "indices and pts_seconds must be [T]",
        )

    __repr__ = _describe


@dataclass(frozen=True, slots=True)
class View:
    """The part of a source picture that a token grid covers, in fractions of its width and height.

    A centre crop lies inside [0, 1]; a padded canvas reaches beyond it. The default is the whole
    picture, however it was resized.
    """

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    def __post_init__(self) -> None:
        _check(self.left < self.right and self.top < self.bottom, "a view has a width and a height")
        _check(
            max(self.left, self.top) < 1 and min(self.right, self.bottom) > 0,
            "a view overlaps the picture",
        )

    @property
    def is_whole(self) -> bool:
        """Whether the grid covers the picture and nothing else."""
        return self == View()


@dataclass(frozen=True, slots=True)
class VisualLayout:
    """Which moment and which part of the picture each visual cell stands for.

    A cell is the place of one visual token AFTER merging; cells are counted row-major over (slot,
    row, column). An image has one slot.

    Attributes:
        t: temporal slots.
        h: rows.
        w: columns.
        frame_slots: for each slot, which of the T sampled frames fed it.
        view: the part of the picture that the h x w cells cover.
        deduplicated: flat indices of the cells without a token of their own. The model dropped it
            because it resembled the same cell of the previous slot, whose token stands for both.
    """

    t: int
    h: int
    w: int
    frame_slots: tuple[tuple[int, ...], ...]
    view: View = View()
    deduplicated: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check(min(self.t, self.h, self.w) >= 1, "a grid has one slot, row and column at least")
        _check(len(self.frame_slots) == self.t, "frame_slots must name the frames of every slot")
        _check(all(self.frame_slots), "every slot is fed by one frame at least")
        _check(
            all(self.h * self.w <= cell < self.num_cells for cell in self.deduplicated),
            "only cells of the second or a later slot can be deduplicated",
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(t, h, w)."""
        return (self.t, self.h, self.w)

    @property
    def num_cells(self) -> int:
        """Cells over all slots, t * h * w."""
        return self.t * self.h * self.w

    def slot_seconds(self, pts_seconds: Float64Array) -> Float64Array:
        """float64 [t]: each slot's time, the mean pts of the frames that fed it."""
        return np.array([pts_seconds[list(frames)].mean() for frames in self.frame_slots])

    def slot_indices(self, indices: IntArray) -> tuple[tuple[int, ...], ...]:
        """For each slot, the numbers of the source frames that fed it, from int64 [T]."""
        return tuple(tuple(indices[list(frames)].tolist()) for frames in self.frame_slots)

    def cell_box(
        self, row: int, column: int, *, width: int, height: int
    ) -> tuple[float, float, float, float]:
        """The (left, top, right, bottom) of a cell, in pixels of a width x height source picture.

        A cell on padding lies outside of the picture.
        """
        view = self.view
        step_x, step_y = (view.right - view.left) / self.w, (view.bottom - view.top) / self.h
        return (
            (view.left + column * step_x) * width,
            (view.top + row * step_y) * height,
            (view.left + (column + 1) * step_x) * width,
            (view.top + (row + 1) * step_y) * height,
        )


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: who speaks.
        text: what is said.
        inputs: numbers of the vision inputs shown before the text, in order. Where no turn of a
            conversation names any, all belong to the first user turn.
    """

    role: Role
    text: str
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token the model might have said, with its probability in [0, 1]."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Token:
    """One text token that is explained or serves as context.

    Attributes:
        index: place among the M text tokens.
        id: vocabulary id.
        text: the piece of text it stands for (may be empty while a character is incomplete).
        role: "prompt" or "answer".
        position: sequence position that stands for it: its own for a prompt token, the one that
            predicted it (one before its own) for a generated token.
        char_start: offset of its first character in the prompt text or the answer.
        char_end: offset after its last character.
        probability: what the model gave it, in [0, 1]; None for prompt tokens.
        candidates: the most probable tokens at its place, best first; empty for prompt tokens.
        is_special: an end-of-turn or other control token, not part of the text.
    """

    index: int
    id: int
    text: str
    role: Literal["prompt", "answer"]
    position: int
    char_start: int
    char_end: int
    probability: float | None = None
    candidates: tuple[Candidate, ...] = ()
    is_special: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """Sub-tokens of the answer joined into a word.

    Attributes:
        index: place among the N words of the answer.
        text: the word as it stands in the answer, without surrounding spaces.
        char_start: offset of its first character in the answer.
        char_end: offset after its last character.
        token_indices: the M-indices of its tokens, in order.
        is_content: False for function words and punctuation.
    """

    index: int
    text: str
    char_start: int
    char_end: int
    token_indices: tuple[int, ...]
    is_content: bool


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What a model said about the frames, and the scores its maps are made from.

    Attributes:
        conversation: the turns that were asked; the answer is not among them.
        prompt_text: the text of the prompt tokens, joined.
        answer: the answer text without special tokens.
        tokens: the M text tokens, prompt first.
        num_prompt_tokens: how many of them are prompt text.
        layouts: where the cells of each vision input lie, in the order of the inputs.
        visual_positions: int64 [V], the sequence position that stands for each cell: the inputs one
            after the other, row-major (t, h, w) in each; deduplicated cells repeat a position.
        text_positions: int64 [M], sequence position that stands for each text token.
        scores: float32 [S, M], logit at position s of text token m's class id.
        layer_scores: float32 [S, M] for each layer that was asked for beside; none by default.
    """

    conversation: tuple[Message, ...]
    prompt_text: str
    answer: str
    tokens: tuple[Token, ...]
    num_prompt_tokens: int
    layouts: tuple[VisualLayout, ...]
    visual_positions: IntArray
    text_positions: IntArray
    scores: FloatArray
    layer_scores: tuple[FloatArray, ...] = ()

    def __post_init__(self) -> None:
        num_tokens = len(self.tokens)
        _check(
            self.scores.ndim == 2 and self.scores.shape[1] == num_tokens, "scores must be [S, M]"
        )
        _check(
            all(each.shape == self.scores.shape for each in self.layer_scores),
            "layer_scores must be [S, M] each",
        )
        _check(self.text_positions.shape == (num_tokens,), "text_positions must be [M]")
        _check(
            self.visual_positions.shape == (sum(layout.num_cells for layout in self.layouts),),
            "visual_positions must be [t*h*w] of all inputs",
        )
        _check(0 <= self.num_prompt_tokens <= num_tokens, "num_prompt_tokens must be in 0..M")

    __repr__ = _describe


@dataclass(frozen=True, slots=True, eq=False)
class ActivationMaps:
    """The maps of the M text tokens.

    Attributes:
        raw: float32 [M, V], relevance of each cell before any correction, >= 0.
        corrected: float32 [M, V], after estimated causal inference, >= 0.
        maps: float32 [M, t, h, w] in [0, 1], normalised and denoised.
        text_scores: float32 [M, M] in [0, 1], entry [m, k]: relevance of text token k to m on the
            same scale as map m (0 where k is not context of m).
    """

    raw: FloatArray
    corrected: FloatArray
    maps: FloatArray
    text_scores: FloatArray

    def __post_init__(self) -> None:
        num_tokens = len(self.raw)
        _check(self.raw.shape == self.corrected.shape, "raw and corrected must both be [M, V]")
        _check(
            self.maps.ndim == 4
            and len(self.maps) == num_tokens
            and self.maps[:1].size == self.raw[:1].size,
            "maps must be [M, t, h, w] with t*h*w = V",
        )
        _check(self.text_scores.shape == (num_tokens, num_tokens), "text_scores must be [M, M]")

    __repr__ = _describe


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedInput:
    """One more video or image of an explanation; the fields are those of `Explanation`."""

    info: VideoInfo
    indices: IntArray
    pts_seconds: Float64Array
    layout: VisualLayout
    maps: FloatArray
    word_maps: FloatArray

    __repr__ = _describe


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One video, one question, one answer, and a map for each of its tokens and words.

    Where a conversation shows several videos or images, the fields speak of the first one, the rest
    are in `others`, and `of_input` puts another one first.

    Attributes:
        info: the source video.
        indices: int64 [T], frames that the model saw.
        pts_seconds: float64 [T], their presentation times.
        conversation: the turns that were asked.
        answer: the model's answer (or the given one, when it was teacher-forced).
        tokens: the M text tokens, prompt first.
        words: the N words of the answer.
        layout: where and when its cells lie.
        maps: float32 [M, t, h, w] in [0, 1].
        word_maps: float32 [N, t, h, w] in [0, 1].
        text_scores: float32 [M, M] in [0, 1].
        settings: the run's settings, plain JSON values.
        versions: package name -> version.
        timings: stage -> seconds.
        warnings: fallbacks that were taken, in words.
        others: the second and later inputs.
        visual_reliance: float32 [N] in [0, 1], share of each word's evidence that lies in the
            pixels of all inputs, NaN where there is no evidence (`tam.reliance`); None where it was
            not measured.
    """

    info: VideoInfo
    indices: IntArray
    pts_seconds: Float64Array
    conversation: tuple[Message, ...]
    answer: str
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    layout: VisualLayout
    maps: FloatArray
    word_maps: FloatArray
    text_scores: FloatArray
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    others: tuple[ExplainedInput, ...] = ()
    visual_reliance: FloatArray | None = None

    def __post_init__(self) -> None:
        shape = self.layout.shape
        _check(self.maps.shape == (len(self.tokens), *shape), "maps must be [M, t, h, w]")
        _check(
            self.word_maps.shape == (len(self.words), *shape),
            "word_maps must be [N, t, h, w]",
        )
        _check(len(self.indices) == len(self.pts_seconds), "indices and pts_seconds must be [T]")
        _check(
            self.visual_reliance is None or self.visual_reliance.shape == (len(self.words),),
            "visual_reliance must be [N]",
        )

    __repr__ = _describe

    @property
    def inputs(self) -> tuple[ExplainedInput, ...]:
        """Every vision input, the first one included."""
        names = [item.name for item in fields(ExplainedInput)]
        return (ExplainedInput(**{name: getattr(self, name) for name in names}), *self.others)

    def of_input(self, number: int) -> Explanation:
        """The same explanation told on input `number` alone."""
        chosen = self.inputs[number]
        values = {item.name: getattr(chosen, item.name) for item in fields(ExplainedInput)}
        return replace(self, **values, others=())

    def save(self, directory: str | Path, *, force: bool = False) -> Path:
        """Write a run folder without a video; `tam-video render` can draw it later.

        Raises:
            OutputError: see `tam_video.export.run_folder.save_explanation`.
        """
        from tam_video.export.run_folder import save_explanation

        return save_explanation(self, Path(directory), force=force)

    @staticmethod
    def load(directory: str | Path) -> Explanation:
        """Read a run folder.

        Raises:
            RunFolderError: it is not a finished run, or it is damaged.
        """
        from tam_video.export.run_folder import load_explanation

        return load_explanation(Path(directory))

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer's words and their heat, on stills of the slots."""
        from tam_video.report.notebook import notebook_html

        return notebook_html(self)

    def plot(
        self,
        *,
        words: Sequence[int | str] | None = None,
        num_slots: int = 6,
        colormap: str = "turbo",
        opacity: float = 0.6,
        video: str | Path | None = None,
    ) -> Figure:
        """Words by slots as a matplotlib figure; see `tam_video.report.figure.plot_explanation`.

        Raises:
            ConfigError: a word that is not in the answer, no word at all, or no column.
            MissingDependencyError: matplotlib is not installed.
        """
        from tam_video.report.figure import plot_explanation

        return plot_explanation(
            self,
            words=words,
            num_slots=num_slots,
            colormap=colormap,
            opacity=opacity,
            video=video,
        )
