"""The result of a calibration: a profile that belongs to one checkpoint, as a JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from pydantic import TypeAdapter, ValidationError

from tam_video.errors import RunFolderError
from tam_video.models.inference import TransformersModel
from tam_video.tam.options import ActivationOptions
from tam_video.workspace.files import atomic_write

Verdict: TypeAlias = Literal["trust", "do-not-trust", "not-measurable"]
Figure: TypeAlias = dict[str, float | None]

FORMAT = 1
_SAMPLED_VALUES = 32  # of each weight tensor


@dataclass(frozen=True, slots=True)
class CheckpointIdentity:
    """What a profile belongs to; a profile is used only where all of it is equal.

    Attributes:
        family: `model_type` of the config.
        weights: SHA-256 over names, shapes, types and sampled values of all weights as they are
            loaded, adapters and quantised weights included.
        quantization: quantisation method of the config, or "".
        dtype: data type of the weights.
        processor: SHA-256 over the settings of the image and video processors.
    """

    family: str
    weights: str
    quantization: str
    dtype: str
    processor: str


@dataclass(frozen=True, slots=True)
class CalibratedProfile:
    """A calibration of one checkpoint.

    Attributes:
        model: name under which the checkpoint was loaded.
        revision: its revision on the hub, if one was given.
        identity: what the profile belongs to.
        num_layers: decoder layers of the model.
        layers: layers whose maps are averaged.
        options: the steps after the layers.
        is_built_in: whether the built-in profile stays, because the choice was not better.
        verdict: whether the model's maps can be trusted.
        sentence: the verdict in words.
        worlds: share of clips that the model understands, by world; only worlds that were asked.
        used_worlds: worlds whose clips were measured.
        seed: seed of the clips.
        num_clips: clips for the selection and held-out clips.
        held_out: metrics of the profile on held-out clips.
        differences: profile minus built-in on held-out clips, before the decision.
        curves: mean of each metric of each layer's raw maps.
        versions: package versions.
        format: version of this file's format.
    """

    model: str
    revision: str | None
    identity: CheckpointIdentity
    num_layers: int
    layers: tuple[int, ...]
    options: ActivationOptions
    is_built_in: bool
    verdict: Verdict
    sentence: str
    worlds: dict[str, float]
    used_worlds: tuple[str, ...]
    seed: int
    num_clips: tuple[int, int]
    held_out: dict[str, Figure] = field(default_factory=dict)
    differences: dict[str, Figure] = field(default_factory=dict)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the content of the profile's file."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()


_ADAPTER = TypeAdapter(CalibratedProfile)


def read_profile(path: Path) -> CalibratedProfile:
    """Read a profile.

    Raises:
        RunFolderError: the file is missing, damaged, or of another format.
    """
    hint = "write it again: tam-video calibrate -m MODEL"
    try:
        document = json.loads(path.read_bytes())
    except OSError as exc:
        raise RunFolderError(f"can't read {path}: {exc.strerror or exc}", hint=hint) from exc
    except ValueError as exc:
        raise RunFolderError(f"{path} is not JSON", hint=hint) from exc
    stored_format = document.get("format") if isinstance(document, dict) else None
    if stored_format != FORMAT:
        raise RunFolderError(
            f"{path} has the profile format {stored_format}, but this release reads {FORMAT}",
            hint=hint,
        )
    try:
        return _ADAPTER.validate_python(document)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RunFolderError(
            f"{path} is not a profile: {where}: {first['msg']}", hint=hint
        ) from exc


def write_profile(profile: CalibratedProfile, path: Path) -> Path:
    """Write a profile as JSON."""
    atomic_write(path, profile.to_json())
    return path


def checkpoint_identity(model: TransformersModel) -> CheckpointIdentity:
    """Compute what a profile of a loaded model belongs to."""
    network = model.checkpoint.model
    config = getattr(network.config, "quantization_config", None)
    method = config.get("quant_method") if isinstance(config, Mapping) else config
    return CheckpointIdentity(
        family=model.family,
        weights=_weights_digest(network),
        quantization="" if method is None else str(getattr(method, "quant_method", method)),
        dtype=model.dtype,
        processor=_processor_digest(model.checkpoint.processor),
    )


def _weights_digest(network: Any) -> str:
    """Hash names, shapes, types and evenly sampled values of all weights."""
    import torch

    digest = hashlib.sha256()
    for name, values in sorted(network.state_dict(keep_vars=False).items()):
        if not isinstance(values, torch.Tensor) or values.is_meta:
            continue
        digest.update(f"{name} {tuple(values.shape)} {values.dtype}\n".encode())
        flat = values.detach().reshape(-1)
        index = np.linspace(0, max(len(flat) - 1, 0), min(len(flat), _SAMPLED_VALUES)).astype(int)
        sampled = flat[torch.as_tensor(index, device=flat.device)]
        digest.update(sampled.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _processor_digest(processor: Any) -> str:
    """Hash the settings of the image and video processors."""
    parts = [
        part.to_json_string() if part is not None else ""
        for part in (
            getattr(processor, "image_processor", None),
            getattr(processor, "video_processor", None),
        )
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
