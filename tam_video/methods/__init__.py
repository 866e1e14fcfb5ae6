"""The registry of explanation methods: the token activation map and methods to compare with it.

Every method takes the same evidence and returns the same kind of maps: `METHODS.load("grad-cam")()`
creates one, with its options as keyword arguments. Third parties register methods in the
entry-point group `tam_video.methods`.

AttnLRP (Achtibat et al., ICML 2024) is not included. Its library, lxt 2.1, cannot be imported with
transformers 5 (it imports functions that were removed), and patches the text modules of LLaMA,
Qwen2, Qwen3, Gemma 3, BERT and GPT-2 only, not those of the video families' decoders.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from tam_video.methods.base import Evidence, Method, MethodMaps
from tam_video.registry import Registry

_HERE = "tam_video.methods"

METHODS = Registry(
    kind="method",
    targets={
        "attention": f"{_HERE}.attention:Attention",
        "attention-rollout": f"{_HERE}.attention:AttentionRollout",
        "centre": f"{_HERE}.chance:Centre",
        "contextual-lens": f"{_HERE}.similarity:ContextualLens",
        "contrast": f"{_HERE}.attention:Contrast",
        "eci": f"{_HERE}.activation:Eci",
        "grad-cam": f"{_HERE}.gradient:GradCam",
        "heads": f"{_HERE}.heads:Heads",
        "layer-cam": f"{_HERE}.gradient:LayerCam",
        "logit": f"{_HERE}.activation:Logit",
        "logit+rgf": f"{_HERE}.activation:LogitFiltered",
        "occlusion": f"{_HERE}.perturbation:Occlusion",
        "random": f"{_HERE}.chance:Random",
        "tam": f"{_HERE}.activation:Tam",
        "tam-reference": f"{_HERE}.activation:TamReference",
    },
    group="tam_video.methods",
)

__all__ = ["METHODS", "Evidence", "Method", "MethodMaps", "make_method"]


def make_method(name: str, *, seed: int) -> Method:
    """Create a method by name with default options; `seed` is only used by random methods.

    Raises:
        UnknownNameError: the method is unknown.
    """
    kind = METHODS.load(name)
    takes_seed = is_dataclass(kind) and any(item.name == "seed" for item in fields(kind))
    method: Method = kind(seed=seed) if takes_seed else kind()
    return method
