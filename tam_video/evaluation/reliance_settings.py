"""What may be asked of visual reliance, and which words are compared."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from pydantic import Field

from tam_video.evaluation.settings import CLIPS_PER_SEED, EvaluationSettings, Identity
from tam_video.tam.reliance import LOW_RELIANCE

Asked: TypeAlias = Literal["caption", "presence", "bait", "planted"]
"""What an answer was to: "Describe the video.", whether something is there that is (presence) or is
not (bait), and the true caption with one name exchanged, passed through as if it was said."""

GROUPS: dict[str, tuple[Asked, ...]] = {
    "caption": ("caption",),
    "presence": ("presence", "bait"),
    "said": ("caption", "presence", "bait"),
    "planted": ("planted",),
}
"""Answers whose names are ranked together; "said" is all that the model said itself."""
SCORES: dict[str, str] = {
    "reliance": "visual reliance",
    "probability": "probability of the word",
    "blanked": "share of its probability lost when the video is blanked",
}
"""What could tell a false name from a true one: low values are suspect."""


class RelianceSettings(EvaluationSettings):
    """Settings of the evaluation; fields that are not named here are those of its parent.

    Methods, metrics and steps have no part in it.

    Attributes:
        worlds: names of `WORLDS`; by default those whose clips the embedded model reads wrongly.
        clips: number of clips of each world.
        threshold: names with less reliance are flagged.
    """

    command: ClassVar[str] = "tam-video evaluate reliance"

    worlds: tuple[str, ...] = Field(
        default=("base", "distractors", "low-contrast", "occlusion"), min_length=1
    )
    clips: int = Field(default=50, ge=1, le=CLIPS_PER_SEED)
    threshold: float = Field(default=LOW_RELIANCE, gt=0, le=1)

    def identity(self) -> Identity:
        """What a clip's values depend on, as `EvaluationSettings.identity`."""
        told = {**super().identity(), "evaluation": "reliance"}
        for name in ("methods", "metrics", "steps", "threshold"):
            del told[name]
        return told
