"""Compute the identity of a checkpoint from its files, without loading the weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tam_video.config import RunConfig
from tam_video.errors import ModelLoadError
from tam_video.models.base import VideoModel
from tam_video.models.loading import PICKLE_SUFFIXES, locate, pick_device, pick_dtype

_WHOLE_BYTES = 1 << 26  # of a file that is hashed whole
_BLOCK_BYTES = 512
_BLOCKS = 4  # of each tensor
_PICKLE_BLOCKS = 4096
_PROCESSORS = (
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)


@dataclass(frozen=True, slots=True)
class CheckpointIdentity:
    """Identity of a checkpoint. A profile is used only for a checkpoint with an equal identity.

    Attributes:
        family: `model_type` of the config.
        weights: SHA-256 over the files of weights, adapters included: their names, sizes and
            contents. A file above 64 MiB counts by its header and blocks of every tensor.
        quantization: quantisation method and a digest of its settings, or "".
        dtype: data type in which the weights are loaded.
        processor: SHA-256 over the settings of the image and video processors.
    """

    family: str
    weights: str
    quantization: str
    dtype: str
    processor: str


def differences(stored: CheckpointIdentity, present: CheckpointIdentity) -> list[str]:
    """List, in words, how a checkpoint differs from the checkpoint that a profile belongs to."""
    named = {"family": "model type", "quantization": "quantization", "dtype": "data type"}
    differing = [
        f"{text} {getattr(stored, name) or 'none'} instead of {getattr(present, name) or 'none'}"
        for name, text in named.items()
        if getattr(stored, name) != getattr(present, name)
    ]
    if stored.weights != present.weights:
        differing.insert(0, "other weights or adapters")
    if stored.processor != present.processor:
        differing.append("other settings of the processor")
    return differing


def identity_of_settings(config: RunConfig) -> CheckpointIdentity | None:
    """Compute the identity of the checkpoint that the settings name.

    Returns:
        The identity, or None for a hub model that is not downloaded.

    Raises:
        ModelLoadError: the folder does not exist, or a file can't be read.
    """
    folder = checkpoint_folder(config.model, config.revision)
    if folder is None:
        return None
    settings = _read_json(folder / "config.json")
    device = pick_device("auto") if config.device == "auto" else config.device  # maybe elsewhere
    on_cpu = config.device_map is None and device == "cpu"
    dtype, _ = pick_dtype(settings, config.dtype, on_cpu=on_cpu)
    return _identity(folder, settings, dtype=_stored_dtype(settings) if dtype == "auto" else dtype)


def identity_of_model(model: VideoModel) -> CheckpointIdentity | None:
    """Compute the identity of a loaded model from its files, or return None if it has no files.

    Raises:
        ModelLoadError: a file can't be read.
    """
    try:
        folder = checkpoint_folder(model.name, model.revision)
    except ModelLoadError:
        return None
    if folder is None:
        return None
    identity = _identity(folder, _read_json(folder / "config.json"), dtype=model.dtype)
    return identity if identity.family == model.family else None


def checkpoint_folder(name: str, revision: str | None) -> Path | None:
    """Return the folder of a checkpoint: for a hub model, the cached snapshot, or None.

    Raises:
        ModelLoadError: there is no such folder.
    """
    source = locate(name)
    if isinstance(source, Path):
        return source
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(source, "config.json", revision=revision)
    return Path(cached).parent if isinstance(cached, str) else None


def _identity(folder: Path, config: Mapping[str, Any], *, dtype: str) -> CheckpointIdentity:
    quantization = config.get("quantization_config") or {}
    method = str(quantization.get("quant_method", "unnamed")) if quantization else ""
    return CheckpointIdentity(
        family=str(config.get("model_type", "")),
        weights=_weights(folder),
        quantization=f"{method} {_digest(quantization)[:12]}" if method else "",
        dtype=dtype,
        processor=_digest(
            {name: _read_json(folder / name) for name in _PROCESSORS if (folder / name).is_file()}
        ),
    )


def _stored_dtype(config: Mapping[str, Any]) -> str:
    """Return the data type in a config, or float32, the default of transformers."""
    text = config.get("text_config") or {}
    return str(
        config.get("dtype") or config.get("torch_dtype") or text.get("dtype") or "float32"
    ).removeprefix("torch.")


def _weights(folder: Path) -> str:
    """Hash the weight files and adapter files in a folder."""
    try:
        entries = sorted(path for path in folder.iterdir() if path.is_file())
        suffixes: tuple[str, ...] = (".safetensors",)
        if not any(path.suffix in suffixes for path in entries):
            suffixes = PICKLE_SUFFIXES
        digest = hashlib.sha256()
        for path in entries:
            if path.suffix in suffixes or path.name.startswith("adapter_"):
                digest.update(f"{path.name} {_file_digest(path)}\n".encode())
    except OSError as exc:
        raise ModelLoadError(f"can't read {folder}: {exc.strerror or exc}") from exc
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE_BYTES:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256(str(size).encode())
        for start in _block_starts(file, size, digest, is_pickle=path.suffix != ".safetensors"):
            file.seek(start)
            digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()


def _block_starts(file: BinaryIO, size: int, digest: Any, *, is_pickle: bool) -> Iterator[int]:
    """Yield the byte offsets of the blocks to hash. First add the safetensors header to `digest`.

    Source: the layout of safetensors: 8 bytes with the length of the header, a JSON object with
    the `data_offsets` of each tensor, and the data.
    """
    parts, blocks = [(0, size)], _PICKLE_BLOCKS
    if not is_pickle:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, size))
        digest.update(header)
        try:
            tensors = [each for name, each in json.loads(header).items() if name != "__metadata__"]
            offsets = [tensor["data_offsets"] for tensor in tensors]
            parts = sorted((8 + length + start, 8 + length + end) for start, end in offsets)
            blocks = _BLOCKS
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # a damaged header: loading the model reports it
    for start, end in parts:
        last = max(start, end - _BLOCK_BYTES)
        steps = range(blocks)
        yield from dict.fromkeys(start + (last - start) * step // (blocks - 1) for step in steps)


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ModelLoadError(f"can't read {path}: {exc}") from exc
    if not isinstance(document, dict):
        raise ModelLoadError(f"{path} is not a JSON object")
    return document
