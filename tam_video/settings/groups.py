"""The declarations: five groups of settings, and what is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from tam_video.settings.declare import Field, Setting, declared
from tam_video.settings.parse import layer, names, seconds, times, word

Profile: TypeAlias = Literal["default", "published", "reference"]
Colormap: TypeAlias = Literal["turbo", "inferno", "cividis", "viridis", "jet"]
SpeedPreset: TypeAlias = Literal[
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"
]
EncoderName: TypeAlias = Literal["auto", "x264", "nvenc", "qsv", "amf"]


@dataclass(frozen=True)
class ModelSettings:
    """Model."""

    model: Annotated[
        str,
        Setting(
            help="Model: tiny, a hub id, or a checkpoint folder.", short="-m", metavar="ID_OR_DIR"
        ),
    ] = "tiny"
    revision: Annotated[
        str | None,
        Setting(
            help="Branch, tag or commit of a hub model.",
            metavar="REV",
            unset="the default branch",
            example="main",
        ),
    ] = None
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"], Setting(help="Data type of the weights.")
    ] = "auto"
    device: Annotated[
        str, Setting(help="Device: auto, cpu, cuda, cuda:1, mps.", metavar="NAME")
    ] = "auto"
    device_map: Annotated[
        str | None,
        Setting(
            help="device_map of transformers, to spread a model over devices.",
            metavar="MAP",
            unset="one device",
            example="auto",
        ),
    ] = None
    attn_implementation: Annotated[
        str | None,
        Setting(
            help="Attention implementation of transformers: sdpa, eager, ...",
            flag="--attn",
            metavar="NAME",
            unset="chosen by transformers",
            example="sdpa",
        ),
    ] = None
    allow_pickle: Annotated[
        bool, Setting(help="Load pickled weights when there are no safetensors.")
    ] = False


@dataclass(frozen=True)
class SamplingSettings:
    """Frames."""

    reader: Annotated[str, Setting(help="Video reader: pyav, decord.", metavar="NAME")] = "pyav"
    frame_size: Annotated[
        Literal["source", "processor"],
        Setting(
            help="Size of decoded frames. source: unchanged; processor: as small as the model's "
            "processor makes them, which saves memory and changes pixel values slightly."
        ),
    ] = "source"
    sampler: Annotated[
        str,
        Setting(
            help="Frame sampler: uniform, fps, all, keyframes, timestamps, native. auto: by the "
            "other sampling options, native without any.",
            metavar="NAME",
        ),
    ] = "auto"
    num_frames: Annotated[
        int | None,
        Setting(
            help="Number of frames to sample.",
            short="-n",
            unset="the model's own rule",
            example=16,
            ge=1,
        ),
    ] = None
    fps: Annotated[
        float | None,
        Setting(help="Frames per second to sample.", unset="by num_frames", example=2.0, gt=0),
    ] = None
    timestamps: Annotated[
        tuple[float, ...],
        Setting(help="Times of the sampled frames, in seconds.", metavar="S,S,...", parse=times),
    ] = ()
    max_frames: Annotated[
        int, Setting(help="Refuse to sample more frames than this, over all inputs.", ge=1)
    ] = 768
    start_seconds: Annotated[
        float | None,
        Setting(
            help="Start of the explained part: seconds or [HH:]MM:SS from the first frame.",
            flag="--start",
            metavar="TIME",
            parse=seconds,
            unset="the first frame",
            example=10.0,
            ge=0,
        ),
    ] = None
    end_seconds: Annotated[
        float | None,
        Setting(
            help="End of the explained part: seconds or [HH:]MM:SS from the first frame.",
            flag="--end",
            metavar="TIME",
            parse=seconds,
            unset="the last frame",
            example=20.0,
            gt=0,
        ),
    ] = None


@dataclass(frozen=True)
class GenerationSettings:
    """Answer."""

    max_new_tokens: Annotated[
        int, Setting(help="Maximum length of the answer, in tokens.", ge=1)
    ] = 128
    do_sample: Annotated[
        bool, Setting(help="Sample tokens instead of greedy decoding.", flag="--sample")
    ] = False
    temperature: Annotated[float, Setting(help="Sampling temperature.", gt=0)] = 1.0
    top_p: Annotated[float, Setting(help="Nucleus sampling probability.", gt=0, le=1)] = 1.0
    top_k: Annotated[int, Setting(help="Sample from the K most probable; 0: no limit.", ge=0)] = 0
    seed: Annotated[int, Setting(help="Random seed of sampling.", ge=0)] = 0


@dataclass(frozen=True)
class MethodSettings:
    """Explanation method."""

    method: Annotated[
        str,
        Setting(
            help="Explanation method: tam, attention, attention-rollout, grad-cam, occlusion, ...",
            metavar="NAME",
        ),
    ] = "tam"
    profile: Annotated[
        Profile,
        Setting(
            help="Profile of the method tam. default: with temporal steps; published: the paper's "
            "steps; reference: the numbers of the public code."
        ),
    ] = "default"
    layer: Annotated[
        int | float | Literal["auto", "input"],
        Setting(
            help="Decoder layer whose hidden states are read: an index (-1: the last, after the "
            "final norm), a fraction of the depth (0.75), or input. auto: four layers combined "
            "for the profile default, else the last.",
            metavar="N",
            parse=layer,
        ),
    ] = "auto"
    logits: Annotated[
        Literal["model", "head"],
        Setting(help="Scores. model: the model's logits; head: before its softcap and scale."),
    ] = "model"
    num_candidates: Annotated[
        int, Setting(help="Number of candidates kept per answer token.", ge=1, le=100)
    ] = 3


@dataclass(frozen=True)
class OutputSettings:
    """Output."""

    render: Annotated[bool, Setting(help="Write the annotated video.", flag="--no-video")] = True


@dataclass(frozen=True)
class LookSettings:
    """Annotated video."""

    layout: Annotated[
        Literal["overlay", "side", "grid", "words"],
        Setting(
            help="Layout. overlay: heatmap over the video, words in turn; side: video beside "
            "heatmap; grid: one tile per word; words: one pass and chapter per word."
        ),
    ] = "overlay"
    tiles: Annotated[Literal["words", "tokens"], Setting(help="Tiles of the layout grid.")] = (
        "words"
    )
    show_word: Annotated[
        int | str | None,
        Setting(
            help="Show one word, by text or index.",
            flag="--word",
            metavar="WORD",
            parse=word,
            unset="the content words in turn",
            example="falls",
        ),
    ] = None
    show_token: Annotated[
        int | None,
        Setting(
            help="Show one answer token, by index.",
            flag="--token",
            unset="the content words in turn",
            example=7,
            ge=0,
        ),
    ] = None
    colormap: Annotated[Colormap, Setting(help="Colormap of the heatmap.")] = "turbo"
    opacity: Annotated[float, Setting(help="Heatmap opacity, 0 to 1.", ge=0, le=1)] = 0.6
    threshold: Annotated[float, Setting(help="Hide heat below this value, 0 to 1.", ge=0, lt=1)] = (
        0.0
    )
    contours: Annotated[
        bool, Setting(help="Draw contour lines at the threshold; at 0.5 without one.")
    ] = False
    boxes: Annotated[bool, Setting(help="Draw the bounding box of the word's track.")] = False
    previews: Annotated[
        tuple[Literal["gif", "webp"], ...],
        Setting(
            help="Also write short animations: gif, webp.",
            flag="--preview",
            metavar="KIND,...",
            parse=names,
        ),
    ] = ()
    stills: Annotated[
        tuple[Literal["png", "pdf", "svg"], ...],
        Setting(
            help="Also write contact sheets, words by time slots: png, pdf, svg.",
            metavar="KIND,...",
            parse=names,
        ),
    ] = ()
    font: Annotated[
        str | None,
        Setting(
            help="Font of the captions, by path or name.",
            metavar="FILE",
            unset="the packaged font",
            example="font.ttf",
        ),
    ] = None
    crf: Annotated[int, Setting(help="H.264 quality, 0 (best) to 51.", ge=0, le=51)] = 18
    speed_preset: Annotated[SpeedPreset, Setting(help="x264 speed preset.", former="preset")] = (
        "veryfast"
    )
    encoder: Annotated[
        EncoderName,
        Setting(help="H.264 encoder. auto: a hardware encoder if one works, else x264."),
    ] = "x264"


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
