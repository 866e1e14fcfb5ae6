"""Store what was trained."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor


def save_trained(state: dict[str, Tensor], path: Path) -> Path:
    """Write what was trained as float16 safetensors, with contiguous tensors."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: values.detach().half().contiguous() for name, values in state.items()}, path)
    path.chmod(0o644)
    return path
