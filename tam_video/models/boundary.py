"""Convert errors from torch and transformers to `ModelError`, and silence warnings."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

from tam_video.errors import MissingDependencyError, ModelError, ModelLoadError, TamVideoError

ModelPhase = Literal["load", "run"]
FEWER_FRAMES = (
    "give the model fewer or smaller frames, a shorter answer, or another device or dtype"
)


@contextmanager
def library_errors(phase: ModelPhase, *, name: str, revision: str | None = None) -> Iterator[None]:
    """Convert errors from torch, safetensors, huggingface_hub and transformers to `ModelError`.

    The phase "load" raises `ModelLoadError` instead, with a hint on getting the files.
    """
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except TamVideoError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as exc:
        raise ModelError(f"{name} ran out of memory", hint=FEWER_FRAMES) from exc
    except ImportError as exc:
        package = "accelerate" if "accelerate" in str(exc).lower() else (exc.name or "torchvision")
        raise MissingDependencyError(
            f"{name} needs a package: {_first_line(exc)}", hint=f"pip install {package}"
        ) from exc
    except (
        *(OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError),
        *(SafetensorError, UnpicklingError),
    ) as exc:
        if isinstance(exc, RuntimeError) and "can't allocate memory" in str(exc):
            raise ModelError(f"{name} ran out of memory", hint=FEWER_FRAMES) from exc
        if phase == "run":
            raise ModelError(
                f"{name} failed: {type(exc).__name__}: {_first_line(exc)}",
                hint="try fewer frames, another frame size or another dtype",
            ) from exc
        raise ModelLoadError(
            f"can't load {name}: {_first_line(exc)}", hint=how_to_get(name, revision=revision)
        ) from exc


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings from transformers, and show progress bars only if stderr is a terminal."""
    logging = _transformers_logging()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def how_to_get(name: str, *, revision: str | None = None) -> str:
    """Return a hint for missing files: which files the folder needs, or the download command."""
    if Path(name).is_dir():
        return (
            "the folder needs config.json, *.safetensors and the files of processor and tokenizer"
        )
    command = f"hf download {name}" + (f" --revision {revision}" if revision else "")
    return (
        f"download it where there is a network: {command} "
        "(older: huggingface-cli download ...); HF_HUB_OFFLINE=1 uses only what is downloaded"
    )


def _transformers_logging() -> Any:
    from transformers.utils import logging

    return logging


def _first_line(exc: BaseException) -> str:
    return next((line for line in str(exc).splitlines() if line.strip()), type(exc).__name__)
