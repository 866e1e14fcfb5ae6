"""Public data sets in their published folder layout, one module per family.

Importing it loads no module of a family, neither numpy nor torch.
"""

from __future__ import annotations

from tam_video.registry import Registry

_SETS = {
    "coco-captions": (
        "coco:COCO_CAPTIONS",
        "MS-COCO images: the model's own captions, insertion and deletion.",
    ),
    "davis": ("referring:DAVIS", "DAVIS-2017: nouns of a caption against object masks."),
    "mevis": ("referring:MEVIS", "MeViS: motion expressions against masks."),
    "nextgqa": ("nextgqa:NEXTGQA", "NExT-GQA: right answers against the spans that show them."),
    "pope": ("coco:POPE", "POPE: yes or no, and what flips a wrong answer."),
    "reason-vos": (
        "referring:REASON_VOS",
        "ReasonVOS: expressions that need reasoning, against masks.",
    ),
    "ref-davis": ("referring:REF_DAVIS", "Ref-DAVIS17: referring expressions against masks."),
    "ref-youtube-vos": (
        "referring:REF_YOUTUBE_VOS",
        "Ref-YouTube-VOS: referring expressions against masks.",
    ),
    "refcoco": ("coco:REFCOCO", "RefCOCO: referring expressions against masks of images."),
    "refcoco+": ("coco:REFCOCO_PLUS", "RefCOCO+: expressions without location words."),
    "refcocog": ("coco:REFCOCOG", "RefCOCOg: long expressions."),
    "repope": ("coco:REPOPE", "RePOPE: POPE with corrected labels."),
    "revos": ("referring:REVOS", "ReVOS: referring and reasoning expressions against masks."),
    "tam-coco14": (
        "tam_images:TAM_COCO14",
        "The COCO14 images of the TAM paper: Obj-, Func- and F1-IoU.",
    ),
    "tam-grandf": (
        "tam_images:TAM_GRANDF",
        "The GranDf images of the TAM paper: Obj-, Func- and F1-IoU.",
    ),
    "tam-openpsg": (
        "tam_images:TAM_OPENPSG",
        "The OpenPSG images of the TAM paper: Obj-, Func- and F1-IoU.",
    ),
}
ABOUT = {name: about for name, (_, about) in _SETS.items()}
"""A line about each set."""
SETS = Registry(
    kind="set",
    targets={name: f"{__name__}.{target}" for name, (target, _) in _SETS.items()},
    group="tam_video.sets",
)
"""Each set as a `base.PublicSet`; third parties add theirs by the entry-point group."""
