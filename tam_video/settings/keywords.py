"""The settings of a run as keyword arguments; written by `docs/generate.py`."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


# ruff: noqa: E501
# fmt: off
class SettingKeywords(TypedDict, total=False):
    """All settings except the model, as keyword arguments."""

    revision: str | None
    dtype: Literal["auto", "float32", "bfloat16", "float16"]
    device: str
    device_map: str | None
    attn_implementation: str | None
    allow_pickle: bool
    reader: str
    frame_size: Literal["source", "processor"]
    sampler: str
    num_frames: int | None
    fps: float | None
    timestamps: tuple[float, ...]
    max_frames: int
    start_seconds: float | None
    end_seconds: float | None
    max_new_tokens: int
    do_sample: bool
    temperature: float
    top_p: float
    top_k: int
    seed: int
    method: str
    profile: str | dict[str, Any]
    layer: int | float | Literal["auto", "input"]
    logits: Literal["model", "head"]
    num_candidates: int
    render: bool
    layout: Literal["overlay", "side", "grid", "words"]
    tiles: Literal["words", "tokens"]
    show_word: int | str | None
    show_token: int | None
    colormap: Literal["turbo", "inferno", "cividis", "viridis", "jet"]
    opacity: float
    threshold: float
    contours: bool
    boxes: bool
    previews: tuple[Literal["gif", "webp"], ...]
    stills: tuple[Literal["png", "pdf", "svg"], ...]
    font: str | None
    crf: int
    speed_preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower"]
    encoder: Literal["auto", "x264", "nvenc", "qsv", "amf"]
