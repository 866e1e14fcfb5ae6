"""Value classes for an explanation: the maps of all tokens and words, and their inputs.

Axes: T frames, t temporal slots, (h, w) token grid, M text tokens, N words, V visual cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tam_video.types.arrays import Float64Array, FloatArray, IntArray, check, describe
from tam_video.types.layout import VisualLayout
from tam_video.types.text import Message, Token, Word
from tam_video.types.verification import Verification
from tam_video.types.video import VideoInfo

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True, eq=False)
class ActivationMaps:
    """The relevance maps of the M text tokens, before and after correction.

    Attributes:
        raw: float32 [M, V], relevance of each cell before any correction, >= 0.
        corrected: float32 [M, V], after estimated causal inference, >= 0.
        maps: float32 [M, t, h, w] in [0, 1], normalised and denoised.
        text_scores: float32 [M, M] in [0, 1], entry [m, k]: relevance of text token k to m on the
            same scale as map m (0 where k is not context of m).
        num_masked: number of cells that were left out as sinks; they have the median of the cells
            around them.
    """

    raw: FloatArray
    corrected: FloatArray
    maps: FloatArray
    text_scores: FloatArray
    num_masked: int = 0

    def __post_init__(self) -> None:
        num_tokens = len(self.raw)
        check(self.raw.shape == self.corrected.shape, "raw and corrected must both be [M, V]")
        check(
            self.maps.ndim == 4
            and len(self.maps) == num_tokens
            and self.maps[:1].size == self.raw[:1].size,
            "maps must be [M, t, h, w] with t*h*w = V",
        )
        check(self.text_scores.shape == (num_tokens, num_tokens), "text_scores must be [M, M]")

    __repr__ = describe


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedInput:
    """One video or image of an explanation.

    Attributes:
        info: the source file.
        indices: int64 [T], the frames that the model saw.
        pts_seconds: float64 [T], their presentation times.
        layout: where and when the cells lie.
        maps: float32 [M, t, h, w] in [0, 1], the maps of the tokens.
        word_maps: float32 [N, t, h, w] in [0, 1], the maps of the words.
        fingerprint: `tam_video.video.source.file_fingerprint` of the source; None if unknown.
        num_masked: number of cells that were left out as sinks (`ActivationMaps`).
    """

    info: VideoInfo
    indices: IntArray
    pts_seconds: Float64Array
    layout: VisualLayout
    maps: FloatArray
    word_maps: FloatArray
    fingerprint: str | None = None
    num_masked: int = 0

    __repr__ = describe


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibrated profile with which maps were computed, and its verdict on the maps.

    Attributes:
        profile: name of the calibrated profile.
        verdict: "trust", "do-not-trust" or "not-measurable".
        sentence: the verdict in words, with its figures.
        layers: decoder layers whose maps are averaged, unless the settings name a layer.
        options: options of the method, plain JSON values.
    """

    profile: str
    verdict: str
    sentence: str
    layers: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def warning(self) -> str:
        """Return the verdict in capitals, or "" if the verdict is that maps can be trusted."""
        return "" if self.verdict == "trust" else verdict_title(self.verdict)


def verdict_title(verdict: str) -> str:
    """Return a verdict in capitals, such as "DO NOT TRUST" for "do-not-trust"."""
    return verdict.replace("-", " ").upper()


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """An answer with its conversation, and the maps of its tokens and words on every input.

    `info`, `indices`, `pts_seconds`, `layout`, `maps` and `word_maps` are read-only shortcuts to
    the fields of the first input.

    Attributes:
        inputs: the videos and images, at least one, in the order they were shown in.
        conversation: the turns before the answer.
        answer: the model's answer (or the given one, when it was teacher-forced).
        tokens: the M text tokens, prompt first.
        words: the N words of the answer.
        text_scores: float32 [M, M] in [0, 1].
        settings: the run's settings, plain JSON values.
        versions: package name -> version.
        timings: stage -> seconds.
        warnings: fallbacks that were taken, in words.
        visual_reliance: float32 [N] in [0, 1], share of each word's evidence that lies in the
            pixels of all inputs, NaN where there is no evidence (`tam.reliance`); None where it was
            not measured.
        verification: the causal check of the words; None where it was not made.
        calibration: of the calibrated profile that was used; None for a built-in profile.
    """

    inputs: tuple[ExplainedInput, ...]
    conversation: tuple[Message, ...]
    answer: str
    tokens: tuple[Token, ...]
    words: tuple[Word, ...]
    text_scores: FloatArray
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    visual_reliance: FloatArray | None = None
    verification: Verification | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        check(len(self.inputs) > 0, "an explanation has at least one input")
        for each in self.inputs:
            shape = each.layout.shape
            check(each.maps.shape == (len(self.tokens), *shape), "maps must be [M, t, h, w]")
            check(
                each.word_maps.shape == (len(self.words), *shape),
                "word_maps must be [N, t, h, w]",
            )
            check(len(each.indices) == len(each.pts_seconds), "indices and pts_seconds must be [T]")
        check(
            self.visual_reliance is None or self.visual_reliance.shape == (len(self.words),),
            "visual_reliance must be [N]",
        )
        checked = () if self.verification is None else self.verification.words
        check(
            all(0 <= each.word < len(self.words) for each in checked),
            "a verification must be of the N words",
        )

    __repr__ = describe

    @property
    def info(self) -> VideoInfo:
        """Return the file metadata of the first input."""
        return self.inputs[0].info

    @property
    def indices(self) -> IntArray:
        """Return the frame indices that the model read from the first input: int64 [T]."""
        return self.inputs[0].indices

    @property
    def pts_seconds(self) -> Float64Array:
        """Return the presentation times of `indices` in seconds: float64 [T]."""
        return self.inputs[0].pts_seconds

    @property
    def layout(self) -> VisualLayout:
        """Return the layout of the first input: the time and position of each cell."""
        return self.inputs[0].layout

    @property
    def maps(self) -> FloatArray:
        """Return the maps of the M tokens on the first input: float32 [M, t, h, w] in [0, 1]."""
        return self.inputs[0].maps

    @property
    def word_maps(self) -> FloatArray:
        """Return the maps of the N words on the first input: float32 [N, t, h, w] in [0, 1]."""
        return self.inputs[0].word_maps

    def of_input(self, index: int) -> Explanation:
        """Return a copy of the explanation that has only the input `index`."""
        return replace(self, inputs=(self.inputs[index],))

    def save(self, directory: str | Path, *, force: bool = False) -> Path:
        """Write a run folder without an annotated video. `tam-video render` can add one later.

        Raises:
            OutputError: see `tam_video.export.document.save_explanation`.
        """
        path: Path = _function("tam_video.export.document:save_explanation")(
            self, Path(directory), force=force
        )
        return path

    @staticmethod
    def load(directory: str | Path) -> Explanation:
        """Load the explanation from a run folder.

        Raises:
            RunFolderError: it is not a finished run, or it is damaged.
        """
        explanation: Explanation = _function("tam_video.export.document:load_explanation")(
            Path(directory)
        )
        return explanation

    def _repr_html_(self) -> str:
        """Return notebook HTML with each word's heatmap over still frames."""
        return str(_function("tam_video.report.notebook:notebook_html")(self))

    def plot(
        self,
        *,
        words: Sequence[int | str] | None = None,
        num_slots: int = 6,
        colormap: str = "turbo",
        opacity: float = 0.6,
        video: str | Path | None = None,
    ) -> Figure:
        """Plot a grid of words and slots with matplotlib; see `report.figure.plot_explanation`.

        Raises:
            ConfigError: a word that is not in the answer, no word at all, or no column.
            MissingDependencyError: matplotlib is not installed.
        """
        figure: Figure = _function("tam_video.report.figure:plot_explanation")(
            self,
            words=words,
            num_slots=num_slots,
            colormap=colormap,
            opacity=opacity,
            video=video,
        )
        return figure


def _function(target: str) -> Any:
    """Import "module:function" only when needed, because types must not import other layers."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
