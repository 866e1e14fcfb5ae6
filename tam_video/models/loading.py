"""Load a model from an alias, a folder or a hub id.

Weights are read from safetensors, unless pickles are allowed. Code of a checkpoint is never run.
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

from tam_video.errors import ConfigError, ModelLoadError, UnsupportedModelError
from tam_video.models.base import Checkpoint, Family
from tam_video.models.boundary import how_to_get, library_errors, quiet
from tam_video.models.families import FAMILIES
from tam_video.models.inference import TransformersModel

ALIASES = {"tiny": Path(__file__).with_name("tiny")}
DTYPES = ("auto", "float32", "float16", "bfloat16")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt")

UPSTREAM = "transformers fails on this model; try a newer release of it and of tam-video"

logger = logging.getLogger(__name__)


def load_model(
    name_or_path: str = "tiny",
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    device_map: str | dict[str, int | str] | None = None,
    attn_implementation: str | None = None,
    offline: bool | None = None,
    allow_pickle: bool = False,
) -> TransformersModel:
    """Load a video MLLM from an alias, a folder or the Hugging Face hub.

    Args:
        name_or_path: "tiny" (ships with the package), a checkpoint folder, or a hub id `ORG/NAME`.
        revision: branch, tag or commit of a hub id.
        dtype: "auto" (the checkpoint's own, float32 on a CPU), "float32", "float16" or "bfloat16".
        device: "auto" (a GPU if available), "cpu", "cuda", "cuda:1", "mps".
        device_map: transformers' placement over several devices instead of `device`.
        attn_implementation: transformers' name of an attention kernel ("sdpa", "eager", ...).
        offline: True uses only files in the local cache; None follows `HF_HUB_OFFLINE`.
        allow_pickle: read pickled weights by torch's restricted unpickler, if there are no others.

    Returns:
        The model, in evaluation mode.

    Raises:
        ModelLoadError: files are missing, broken, or pickles.
        UnsupportedModelError: no adapter for this `model_type`.
        ConfigError: an option is not valid.
        MissingDependencyError: a package that the checkpoint needs is not installed.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"unknown dtype {dtype!r}", hint=f"known: {', '.join(DTYPES)}")
    source = locate(name_or_path)
    if isinstance(source, Path):
        if revision is not None:
            raise ConfigError(f"{name_or_path} is a folder, but 'revision' needs a hub id")
        check_folder(source, name=name_or_path, allow_pickle=allow_pickle)
    with library_errors("load", name=name_or_path, revision=revision), quiet():
        target = "cpu" if device_map is not None else pick_device(device)
        files = pretrained_files(source, revision=revision, offline=offline)
        config = read_config(files)
        family = find_family(config, name=name_or_path)
        chosen, notes = pick_dtype(config, dtype, on_cpu=device_map is None and target == "cpu")
        options: dict[str, Any] = {
            "device_map": device_map,
            "attn_implementation": attn_implementation,
        }
        options = {name: value for name, value in options.items() if value is not None}
        options |= {"dtype": chosen, "use_safetensors": None if allow_pickle else True}
        model = _load_weights(files, family.model_class, options)
        if device_map is None:
            model.to(target)
        processor = load_processor(files)
        _plain_generation(model, processor.tokenizer)
    for note in notes:
        logger.warning("%s: %s", name_or_path, note)
    return TransformersModel(Checkpoint(name_or_path, revision, model, processor, notes), family)


def pretrained_files(
    source: Path | str, *, revision: str | None, offline: bool | None
) -> dict[str, Any]:
    """Return the `from_pretrained` arguments that identify the files of a checkpoint."""
    return {
        "pretrained_model_name_or_path": str(source),
        "revision": revision or "main",
        "local_files_only": bool(offline),
    }


def locate(name_or_path: str) -> Path | str:
    """Return the path of a checkpoint folder or alias; return a hub id unchanged."""
    if name_or_path in ALIASES:
        folder = ALIASES[name_or_path]
        if not (folder / "config.json").is_file():
            raise ModelLoadError(
                f"the packaged model {name_or_path!r} is missing", hint="reinstall tam-video"
            )
        return folder
    path = Path(name_or_path).expanduser()
    if name_or_path and path.is_dir():
        return path
    if path.is_file():
        raise ModelLoadError(f"{name_or_path} is a file", hint="pass the folder of the checkpoint")
    if HUB_ID.fullmatch(name_or_path) is None:
        raise ModelLoadError(
            f"there is no model folder {name_or_path}",
            hint=f"pass a folder, a hub id ORG/NAME, or {' or '.join(sorted(ALIASES))}",
        )
    return name_or_path


def check_folder(folder: Path, *, name: str, allow_pickle: bool = False) -> None:
    """Check that a checkpoint folder has valid JSON files and an allowed weight format."""
    check_config(folder, name=name)
    if not any(folder.glob("*.safetensors")):
        pickles = [path.name for path in folder.iterdir() if path.suffix in PICKLE_SUFFIXES]
        if pickles and allow_pickle:
            return
        if pickles:
            raise ModelLoadError(
                f"{name} has only pickled weights ({min(pickles)}), which can run code",
                hint="save the weights as safetensors, or pass --allow-pickle if you trust them",
            )
        raise ModelLoadError(f"{name} has no *.safetensors", hint=how_to_get(str(folder)))


def check_config(folder: Path, *, name: str) -> None:
    """Check that a checkpoint folder has a config.json, and that all its JSON files are valid."""
    if not (folder / "config.json").is_file():
        raise ModelLoadError(f"{name} has no config.json", hint=how_to_get(str(folder)))
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise ModelLoadError(
                f"{path} is not valid JSON: {exc}", hint=how_to_get(str(folder))
            ) from exc


def find_family(config: dict[str, Any], *, name: str) -> Family:
    """Return the model family for a config's `model_type`, or refuse an unsupported model."""
    model_type = config.get("model_type")
    known = FAMILIES.names()
    if model_type not in known:
        raise UnsupportedModelError(
            f"{name} is a {model_type!r} model, which is not supported",
            hint=f"supported: {', '.join(known)}",
        )
    family: Family = FAMILIES.load(str(model_type))
    if family.status == "broken-upstream":
        raise UnsupportedModelError(f"{name}: {family.problem}", hint=UPSTREAM)
    return family


def pick_device(device: str) -> str:
    """Resolve "auto" to a device, or check that the given device exists."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as exc:
        raise ConfigError(
            f"unknown device {device!r}", hint="pass cpu, cuda, cuda:1 or mps"
        ) from exc
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, True):
        raise ConfigError(f"torch finds no {kind} device", hint="use --device cpu")
    return device


def pick_dtype(config: dict[str, Any], dtype: str, *, on_cpu: bool) -> tuple[str, tuple[str, ...]]:
    """Choose the dtype. On a CPU, "auto" is float32, because half precision is slow there.

    Returns:
        The type's name, and messages about the choice.
    """
    if dtype != "auto" or not on_cpu:
        return dtype, ()
    text = config.get("text_config") or {}
    stored = (config.get("dtype") or config.get("torch_dtype")) or text.get("dtype")
    if stored in (None, "float32"):
        return "float32", ()
    return "float32", (f"the checkpoint is {stored}; on a CPU it runs in float32",)


def read_config(files: dict[str, Any]) -> dict[str, Any]:
    """Read a checkpoint's `config.json`; `files` are `from_pretrained` arguments."""
    config: dict[str, Any] = _transformers().PreTrainedConfig.get_config_dict(**files)[0]
    return config


def _load_weights(files: dict[str, Any], model_class: str, options: dict[str, Any]) -> Any:
    model, report = getattr(_transformers(), model_class).from_pretrained(
        **files,
        **options,
        trust_remote_code=False,
        output_loading_info=True,
    )
    absent = sorted(report["missing_keys"])
    if absent:
        raise ModelLoadError(
            f"the weights lack {len(absent)} tensors, such as {absent[0]}",
            hint="the checkpoint is incomplete: download or save it again",
        )
    return model.eval()


def load_processor(files: dict[str, Any]) -> Any:
    """Load a checkpoint's processor; `files` are `from_pretrained` arguments."""
    processor = _transformers().AutoProcessor.from_pretrained(**files, trust_remote_code=False)
    for part in ("tokenizer", "video_processor"):
        if getattr(processor, part, None) is None:
            raise ModelLoadError(
                f"the checkpoint has no {part.replace('_', ' ')}",
                hint="save the processor in the checkpoint folder with save_pretrained",
            )
    if processor.chat_template is None:
        raise ModelLoadError("the checkpoint has no chat template", hint="use a chat model")
    return processor


def _plain_generation(model: Any, tokenizer: Any) -> None:
    """Drop the checkpoint's generation defaults except the bos, eos and pad token ids."""
    defaults = model.generation_config
    end = defaults.eos_token_id if defaults.eos_token_id is not None else tokenizer.eos_token_id
    first_end = end[0] if isinstance(end, list) else end
    pad = defaults.pad_token_id if defaults.pad_token_id is not None else tokenizer.pad_token_id
    model.generation_config = _transformers().GenerationConfig(
        bos_token_id=defaults.bos_token_id,
        eos_token_id=end,
        pad_token_id=first_end if pad is None else pad,
    )


def _transformers() -> Any:
    import transformers

    return transformers
