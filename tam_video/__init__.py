"""Show where and when a video multimodal LLM looked, for every token it generated.

```python
import tam_video

explanation = tam_video.explain("clip.mp4", "What happens?")
explanation.save("out")
```

Importing this package loads neither torch nor transformers: every name is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tam_video.analysis import compare_runs
    from tam_video.calibration.calibrate import calibrate
    from tam_video.config import RunConfig
    from tam_video.errors import TamVideoError
    from tam_video.export.exporting import export_run
    from tam_video.localise import word_tracks
    from tam_video.models import load_model
    from tam_video.pipeline import explain
    from tam_video.runs import explain_to_folder, render_run
    from tam_video.types import Explanation, Message

__version__ = "0.1.0"
__all__ = [
    "Explanation",
    "Message",
    "RunConfig",
    "TamVideoError",
    "calibrate",
    "compare_runs",
    "explain",
    "explain_to_folder",
    "export_run",
    "load_model",
    "render_run",
    "word_tracks",
]

_LAZY = {
    "Explanation": "tam_video.types",
    "Message": "tam_video.types",
    "RunConfig": "tam_video.config",
    "TamVideoError": "tam_video.errors",
    "calibrate": "tam_video.calibration.calibrate",
    "compare_runs": "tam_video.analysis",
    "explain": "tam_video.pipeline",
    "explain_to_folder": "tam_video.runs",
    "export_run": "tam_video.export.exporting",
    "load_model": "tam_video.models",
    "render_run": "tam_video.runs",
    "word_tracks": "tam_video.localise",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
