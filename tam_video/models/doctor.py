"""Check a checkpoint's config, processor and visual token layout without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tam_video.errors import ModelLoadError
from tam_video.models.base import Checkpoint, Family, Status
from tam_video.models.boundary import library_errors, quiet
from tam_video.models.conversation import assign_inputs
from tam_video.models.families import FAMILIES
from tam_video.models.loading import (
    check_config,
    find_family,
    load_processor,
    locate,
    pretrained_files,
    read_config,
)
from tam_video.models.prompt import encode_prompt
from tam_video.models.tokens import prompt_tokens
from tam_video.types import FrameBatch, Message, VideoInfo, VisualLayout

QUESTION = "What happens in the video?"


@dataclass(frozen=True, slots=True)
class LayoutReport:
    """The visual token layout that a checkpoint uses for a synthetic clip.

    Attributes:
        num_prompt_tokens: tokens of the prompt, including visual ones.
        prompt_text: the text of the turns in the prompt.
    """

    family: str
    status: Status
    layout: VisualLayout
    num_prompt_tokens: int
    prompt_text: str


def list_families() -> tuple[Family, ...]:
    """Return all known families, including plug-ins, sorted by `model_type`."""
    return tuple(map(FAMILIES.load, FAMILIES.names()))


def check_layout(
    name_or_path: str,
    *,
    revision: str | None = None,
    num_frames: int = 8,
    width: int = 320,
    height: int = 240,
    offline: bool | None = None,
) -> LayoutReport:
    """Compute a checkpoint's visual token layout for a synthetic clip, without the weights.

    Args:
        name_or_path: "tiny", a checkpoint folder (without weights if needed), or a hub id.
        revision: branch, tag or commit of a hub id.
        num_frames: of the clip.
        width: of the clip, in pixels.
        height: of the clip, in pixels.
        offline: True uses only files in the local cache.

    Raises:
        ModelLoadError: config or processor can't be loaded.
        UnsupportedModelError: no adapter for this `model_type`.
        TokenAlignmentError: tokens and cells don't add up.
    """
    import torch

    source = locate(name_or_path)
    if isinstance(source, Path):
        check_config(source, name=name_or_path)
    files = pretrained_files(source, revision=revision, offline=offline)
    with library_errors("load", name=name_or_path, revision=revision), quiet():
        family = find_family(read_config(files), name=name_or_path)
        processor = load_processor(files)
        model = SimpleNamespace(
            config=_config(files, family), device=torch.device("cpu"), dtype=torch.float32
        )
    checkpoint = Checkpoint(name_or_path, revision, model, processor)
    batch = _clip(num_frames, width, height)
    turns = assign_inputs([Message("user", QUESTION)], num_inputs=1)
    with library_errors("run", name=name_or_path), quiet():
        _tensors, prompt = encode_prompt([batch], turns, checkpoint=checkpoint, family=family)
        placed = family.place(prompt, checkpoint)
        text, _tokens = prompt_tokens(prompt, turns, placed, processor=processor)
    return LayoutReport(
        family=family.model_type,
        status=family.status,
        layout=placed[0].layout,
        num_prompt_tokens=len(prompt.input_ids),
        prompt_text=text,
    )


def _config(files: dict[str, Any], family: Family) -> Any:
    import transformers

    # `files` names the revision.
    config = transformers.AutoConfig.from_pretrained(  # nosec B615
        **files, trust_remote_code=False
    )
    # A checkpoint of a wrapper may be run by an inner class, which has an inner config.
    expected = getattr(getattr(transformers, family.model_class, None), "config_class", None)
    if expected is None or isinstance(config, expected):
        return config
    inner = [part for part in vars(config).values() if isinstance(part, expected)]
    if not inner:
        raise ModelLoadError(f"config {config.model_type} has no part for {family.model_class}")
    return inner[0]


def _clip(num_frames: int, width: int, height: int) -> FrameBatch:
    """Return a clip of noise. Some processors would drop frames of a constant clip."""
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)
    info = VideoInfo(Path("clip.mp4"), num_frames, width, height, Fraction(4), num_frames / 4)
    return FrameBatch(frames, np.arange(num_frames), np.arange(num_frames) / 4.0, info)
