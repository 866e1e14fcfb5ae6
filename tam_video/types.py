"""The frozen values that flow between the stages.

numpy and the standard library only. Shapes are checked where a value is made, so that a stage may
trust what it is given. Axes: T frames, t temporal slots, (h, w) token grid, (H, W) pixels, M text
tokens (prompt text first, then the answer), S sequence positions, V = t*h*w visual positions, N
words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
Float64Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
ByteArray: TypeAlias = NDArray[np.uint8]
Role: TypeAlias = Literal["system", "user", "assistant"]
Profile: TypeAlias = Literal["default", "reference"]


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
class TokenGrid:
    """Where the visual tokens sit AFTER merging, row-major over (slot, row, column).

    Attributes:
        t: temporal slots.
        h: rows.
        w: columns.
        frame_slots: for each slot, which of the T sampled frames fed it.
    """

    t: int
    h: int
    w: int
    frame_slots: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        _check(min(self.t, self.h, self.w) >= 1, "a grid has one slot, row and column at least")
        _check(len(self.frame_slots) == self.t, "frame_slots must name the frames of every slot")
        _check(all(self.frame_slots), "every slot is fed by one frame at least")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(t, h, w)."""
        return (self.t, self.h, self.w)

    def slot_seconds(self, pts_seconds: Float64Array) -> Float64Array:
        """float64 [t]: each slot's time, the mean pts of the frames that fed it."""
        return np.array([pts_seconds[list(frames)].mean() for frames in self.frame_slots])


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; the video belongs to the first user turn."""

    role: Role
    text: str


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
        grid: the visual token grid.
        visual_positions: int64 [V], sequence positions of the visual tokens, row-major (t, h, w).
        text_positions: int64 [M], sequence position that stands for each text token.
        scores: float32 [S, M], logit at position s of text token m's class id.
    """

    conversation: tuple[Message, ...]
    prompt_text: str
    answer: str
    tokens: tuple[Token, ...]
    num_prompt_tokens: int
    grid: TokenGrid
    visual_positions: IntArray
    text_positions: IntArray
    scores: FloatArray

    def __post_init__(self) -> None:
        num_tokens = len(self.tokens)
        _check(
            self.scores.ndim == 2 and self.scores.shape[1] == num_tokens, "scores must be [S, M]"
        )
        _check(self.text_positions.shape == (num_tokens,), "text_positions must be [M]")
        _check(
            self.visual_positions.shape == (self.grid.t * self.grid.h * self.grid.w,),
            "visual_positions must be [t*h*w]",
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
class Explanation:
    """One video, one question, one answer, and a map for each of its tokens and words.

    Attributes:
        info: the source video.
        indices: int64 [T], frames that the model saw.
        pts_seconds: float64 [T], their presentation times.
        conversation: the turns that were asked.
        answer: the model's answer (or the given one, when it was teacher-forced).
        tokens: the M text tokens, prompt first.
        words: the N words of the answer.
        grid: the visual token grid.
        maps: float32 [M, t, h, w] in [0, 1].
        word_maps: float32 [N, t, h, w] in [0, 1].
        text_scores: float32 [M, M] in [0, 1].
        settings: the run's settings, plain JSON values.
        versions: package name -> version.
        timings: stage -> seconds.
        warnings: fallbacks that were taken, in words.
    """

    info: VideoInfo
    indices: IntArray
    pts_seconds: Float64Array
    conversation: tuple[Message, ...]
    answer: str
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    grid: TokenGrid
    maps: FloatArray
    word_maps: FloatArray
    text_scores: FloatArray
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(self.maps.shape == (len(self.tokens), *self.grid.shape), "maps must be [M, t, h, w]")
        _check(
            self.word_maps.shape == (len(self.words), *self.grid.shape),
            "word_maps must be [N, t, h, w]",
        )
        _check(len(self.indices) == len(self.pts_seconds), "indices and pts_seconds must be [T]")

    __repr__ = _describe

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
