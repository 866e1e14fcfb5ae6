"""Declarations of all settings of a run, in groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tam_video.settings.declare import Declared, Field, declared, setting
from tam_video.settings.parse import layer, names, profile, seconds, times, word

Colormap: TypeAlias = Literal["turbo", "inferno", "cividis", "viridis", "jet"]
SpeedPreset: TypeAlias = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"
]
EncoderName: TypeAlias = Literal["auto", "x264", "nvenc", "qsv", "amf"]


@dataclass(frozen=True)
class ModelSettings(Declared):
    """Model and device."""

    model: str = setting(
        "tiny",
        "Model: a hub id, a checkpoint folder, or tiny (a small model in this package).",
        short="-m",
        metavar="ID_OR_DIR",
    )
    revision: str | None = setting(
        None,
        "Branch, tag or commit of a model from the hub.",
        metavar="REV",
        unset="the default branch",
        example="main",
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = setting(
        "auto", "Data type of the weights."
    )
    device: str = setting("auto", "Device: auto, cpu, cuda, cuda:1, mps.", metavar="NAME")
    device_map: str | None = setting(
        None,
        "Device map for transformers: how to spread the model over several devices.",
        metavar="MAP",
        unset="one device",
        example="auto",
    )
    attn_implementation: str | None = setting(
        None,
        "Attention implementation of transformers: sdpa, eager, ...",
        flag="--attn",
        metavar="NAME",
        unset="chosen by transformers",
        example="sdpa",
    )
    allow_pickle: bool = setting(False, "Allow pickled weights if the model has no safetensors.")


@dataclass(frozen=True)
class SamplingSettings(Declared):
    """Frames that the model receives."""

    reader: str = setting("pyav", "Video reader: pyav, decord.", metavar="NAME")
    frame_size: Literal["source", "processor"] = setting(
        "source",
        "Size of decoded frames. source: unchanged; processor: as small as the model's processor"
        " makes them. This saves memory and changes pixel values slightly.",
    )
    sampler: str = setting(
        "auto",
        "Frame sampler: uniform, fps, all, keyframes, timestamps, native. auto: the sampler "
        "for num_frames, fps or timestamps if one of them is set, else native.",
        metavar="NAME",
    )
    num_frames: int | None = setting(
        None,
        "Number of frames to sample.",
        short="-n",
        unset="the model's own rule",
        example=16,
        ge=1,
    )
    fps: float | None = setting(
        None, "Frames to sample per second.", unset="determined by num_frames", example=2.0, gt=0
    )
    timestamps: tuple[float, ...] = setting(
        (), "Times of the frames to sample, in seconds.", metavar="S,S,...", parse=times
    )
    max_frames: int = setting(768, "Frame limit over all inputs; more frames are an error.", ge=1)
    start_seconds: float | None = setting(
        None,
        "Start of the explained part: seconds or [HH:]MM:SS from the first frame.",
        flag="--start",
        metavar="TIME",
        parse=seconds,
        unset="the first frame",
        example=10.0,
        ge=0,
    )
    end_seconds: float | None = setting(
        None,
        "End of the explained part: seconds or [HH:]MM:SS from the first frame.",
        flag="--end",
        metavar="TIME",
        parse=seconds,
        unset="the last frame",
        example=20.0,
        gt=0,
    )


@dataclass(frozen=True)
class GenerationSettings(Declared):
    """Generation of the answer."""

    max_new_tokens: int = setting(128, "Maximum length of the answer, in tokens.", ge=1)
    do_sample: bool = setting(False, "Sample tokens instead of greedy decoding.", flag="--sample")
    temperature: float = setting(1.0, "Sampling temperature.", gt=0)
    top_p: float = setting(1.0, "Nucleus sampling: sample from this probability mass.", gt=0, le=1)
    top_k: int = setting(0, "Sample only from the K most probable tokens; 0: no limit.", ge=0)
    seed: int = setting(0, "Random seed of sampling.", ge=0)


@dataclass(frozen=True)
class MethodSettings(Declared):
    """Explanation method."""

    method: str = setting(
        "tam",
        "Explanation method: tam, attention, attention-rollout, grad-cam, occlusion, ...",
        metavar="NAME",
    )
    profile: str | dict[str, Any] = setting(
        "auto",
        "Profile of the method tam. auto: the profile for exactly this checkpoint, made by "
        "`tam-video calibrate`, else default; default: with temporal steps; published: the paper's "
        "steps; reference: the same numbers as the public code of the paper; or a JSON file or the "
        "name of a stored profile.",
        metavar="NAME_OR_FILE",
        parse=profile,
    )
    layer: int | float | Literal["auto", "input"] = setting(
        "auto",
        "Decoder layer whose hidden states are read. An index: -1 is the last layer, after the "
        "final norm. A fraction of the depth: 0.75. input: the states before the first layer. "
        "auto: a combination of four layers for the profile default, the "
        "layers of a calibrated profile, else the last layer.",
        metavar="N",
        parse=layer,
    )
    logits: Literal["model", "head"] = setting(
        "model", "Scores. model: the model's logits; head: the logits before softcap and scale."
    )
    num_candidates: int = setting(3, "Candidates to record for each answer token.", ge=1, le=100)


@dataclass(frozen=True)
class OutputSettings(Declared):
    """Output files."""

    render: bool = setting(True, "Write the annotated video.", flag="--no-video")


@dataclass(frozen=True)
class LookSettings(Declared):
    """Look of the annotated video."""

    layout: Literal["overlay", "side", "grid", "words"] = setting(
        "overlay",
        "Layout. overlay: heatmap over the video, one word after another; side: video beside "
        "heatmap; grid: one tile per word; words: the clip once per word, as chapters.",
    )
    tiles: Literal["words", "tokens"] = setting("words", "Tiles in the layout grid: words, tokens.")
    show_word: int | str | None = setting(
        None,
        "Show only this word, given as text or index.",
        flag="--word",
        metavar="WORD",
        parse=word,
        unset="all content words, one after another",
        example="falls",
    )
    show_token: int | None = setting(
        None,
        "Show only the answer token with this index.",
        flag="--token",
        unset="all content words, one after another",
        example=7,
        ge=0,
    )
    colormap: Colormap = setting("turbo", "Colormap of the heatmap.")
    opacity: float = setting(0.6, "Heatmap opacity, 0 to 1.", ge=0, le=1)
    threshold: float = setting(0.0, "Hide heatmap values below this value, 0 to 1.", ge=0, lt=1)
    contours: bool = setting(
        False, "Draw contour lines at the threshold, or at 0.5 if no threshold is set."
    )
    boxes: bool = setting(False, "Draw the bounding box of the word's track.")
    previews: tuple[Literal["gif", "webp"], ...] = setting(
        (),
        "Also write short animations: gif, webp.",
        flag="--preview",
        metavar="KIND,...",
        parse=names,
    )
    stills: tuple[Literal["png", "pdf", "svg"], ...] = setting(
        (),
        "Also write contact sheets, with a row per word and a column per slot: png, pdf, svg.",
        metavar="KIND,...",
        parse=names,
    )
    font: str | None = setting(
        None,
        "Font of the captions, by path or name.",
        metavar="FILE",
        unset="the packaged font",
        example="font.ttf",
    )
    crf: int = setting(18, "H.264 quality, 0 (best) to 51.", ge=0, le=51)
    speed_preset: SpeedPreset = setting("veryfast", "x264 speed preset.", former="preset")
    encoder: EncoderName = setting(
        "x264", "H.264 encoder. auto: a hardware encoder if one works, else x264."
    )


GROUPS: dict[str, type] = {
    "model": ModelSettings,
    "sampling": SamplingSettings,
    "generation": GenerationSettings,
    "method": MethodSettings,
    "output": OutputSettings,
    "look": LookSettings,
}


def run_fields() -> Iterator[Field]:
    """Iterate over all settings of a run."""
    for group in GROUPS.values():
        yield from declared(group)
