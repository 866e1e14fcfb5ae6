"""Public data sets in their published folder layout, one module per family.

Importing it loads no module of a family, neither numpy nor torch.
"""

from __future__ import annotations

from types import MappingProxyType

from tam_video.registry import Registry

_HERE = "tam_video.evaluation.sets"

ABOUT = MappingProxyType(
    {
        "coco-captions": "MS-COCO images: the model's own captions, insertion and deletion.",
        "davis": "DAVIS-2017: nouns of a caption against object masks.",
        "mevis": "MeViS: motion expressions against masks.",
        "nextgqa": "NExT-GQA: right answers against the spans that show them.",
        "pope": "POPE: yes or no, and what flips a wrong answer.",
        "reason-vos": "ReasonVOS: expressions that need reasoning, against masks.",
        "ref-davis": "Ref-DAVIS17: referring expressions against masks.",
        "ref-youtube-vos": "Ref-YouTube-VOS: referring expressions against masks.",
        "refcoco": "RefCOCO: referring expressions against masks of images.",
        "refcoco+": "RefCOCO+: expressions without location words.",
        "refcocog": "RefCOCOg: long expressions.",
        "repope": "RePOPE: POPE with corrected labels.",
        "revos": "ReVOS: referring and reasoning expressions against masks.",
        "tam-coco14": "The COCO14 images of the TAM paper: Obj-, Func- and F1-IoU.",
        "tam-grandf": "The GranDf images of the TAM paper: Obj-, Func- and F1-IoU.",
        "tam-openpsg": "The OpenPSG images of the TAM paper: Obj-, Func- and F1-IoU.",
    }
)
"""A line about each set."""

SETS = Registry(
    kind="set",
    targets={
        "coco-captions": f"{_HERE}.coco:COCO_CAPTIONS",
        "davis": f"{_HERE}.referring:DAVIS",
        "mevis": f"{_HERE}.referring:MEVIS",
        "nextgqa": f"{_HERE}.nextgqa:NEXTGQA",
        "pope": f"{_HERE}.coco:POPE",
        "reason-vos": f"{_HERE}.referring:REASON_VOS",
        "ref-davis": f"{_HERE}.referring:REF_DAVIS",
        "ref-youtube-vos": f"{_HERE}.referring:REF_YOUTUBE_VOS",
        "refcoco": f"{_HERE}.coco:REFCOCO",
        "refcoco+": f"{_HERE}.coco:REFCOCO_PLUS",
        "refcocog": f"{_HERE}.coco:REFCOCOG",
        "repope": f"{_HERE}.coco:REPOPE",
        "revos": f"{_HERE}.referring:REVOS",
        "tam-coco14": f"{_HERE}.tam_images:TAM_COCO14",
        "tam-grandf": f"{_HERE}.tam_images:TAM_GRANDF",
        "tam-openpsg": f"{_HERE}.tam_images:TAM_OPENPSG",
    },
    group="tam_video.sets",
)
"""Each set as a `base.PublicSet`; third parties add theirs by the entry-point group."""
