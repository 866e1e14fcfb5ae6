"""Settings and word groups of the visual reliance experiment."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from tam_video.evaluation.settings import CLIPS, NAMES, SPLIT, ExperimentSettings, Split
from tam_video.settings.declare import setting
from tam_video.tam.reliance import LOW_RELIANCE

PromptKind: TypeAlias = Literal["caption", "presence", "bait", "planted"]
"""What an answer replies to: "Describe the video.", a presence question about an object that is
there ("presence") or is not there ("bait", a negative question), and the true caption with one
injected error, passed through as an answer ("planted"). These are the names in the files."""

GROUPS: dict[str, tuple[PromptKind, ...]] = {
    "caption": ("caption",),
    "presence": ("presence", "bait"),
    "said": ("caption", "presence", "bait"),
    "planted": ("planted",),
}
"""Answers whose names are ranked together, by their key in the files."""
TITLES = {
    "caption": "captions",
    "presence": "presence answers",
    "said": "all generated answers",
    "planted": "injected errors",
}
SCORES: dict[str, str] = {
    "reliance": "visual reliance",
    "probability": "probability of the word",
    "blanked": "share of its probability lost when the video is blanked",
}
"""Scores that may separate false names from true ones: low values are suspect."""


class RelianceSettings(ExperimentSettings):
    """Settings of the visual reliance experiment."""

    experiment: ClassVar[str] = "tam_video.evaluation.reliance:RELIANCE"
    command: ClassVar[str] = "tam-video evaluate reliance"
    kind: ClassVar[str] = "reliance"
    identity_excludes: ClassVar[frozenset[str]] = frozenset({"clips", "threshold"})

    worlds: tuple[str, ...] = setting(
        ("base", "distractors", "low-contrast", "occlusion"),
        "Shape worlds to sample clips from.",
        **NAMES,
    )
    clips: int = setting(50, **CLIPS)
    split: Split = SPLIT
    threshold: float = setting(
        LOW_RELIANCE, "Visual reliance below which a name is flagged.", metavar="F", gt=0, le=1
    )
