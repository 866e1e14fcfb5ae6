"""Options of the token activation map that extend the published steps, and named profiles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from tam_video.types import Profile

Correction: TypeAlias = Literal["none", "content", "agreement", "overlap", "published"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationOptions:
    """Options that change or extend the published steps; the defaults change nothing.

    Attributes:
        correction: which earlier tokens the causal correction subtracts. "published": all with
            another string; "content": content words of the answer do not correct one another;
            "agreement": tokens whose top cells agree do not correct one another; "overlap": tokens
            whose objects overlap do not; "none": no correction.
        content_cap: upper bound of the correction's factor for tokens of content words, > 0; None
            for no bound.
        mask_sinks: whether cells of sinks (`models.sinks`) are left out of the maximum of a layer,
            the correction and the normalisation, and then get the median of the cells around them.
        rank_filter: whether each slot is denoised by the rank Gaussian filter.
        rank_filter_min_cells: the filter leaves out maps whose object is smaller than this number
            of cells (`tam.rank_filter.object_cells`), because it erases objects of a few cells.
        gaussian_sigma_slots: width of the Gaussian along the optical flow, in slots; 0 for none.
        layer_weights: weights of the layers whose maps are averaged, each >= 0; empty for equal
            weights. Not used where the scores of one layer are given.
        reference_precision: whether to compute in the order and precision of the public code.
    """

    correction: Correction = "published"
    content_cap: float | None = None
    mask_sinks: bool = False
    rank_filter: bool = True
    rank_filter_min_cells: int = 0
    gaussian_sigma_slots: float = 0.0
    layer_weights: tuple[float, ...] = ()
    reference_precision: bool = False

    def __post_init__(self) -> None:
        if self.correction not in get_args(Correction):
            raise ValueError(
                f"correction must be one of {get_args(Correction)}, not {self.correction!r}"
            )
        if self.content_cap is not None and not self.content_cap > 0:
            raise ValueError(f"content_cap must be above 0, not {self.content_cap}")
        if self.rank_filter_min_cells < 0:
            raise ValueError(
                f"rank_filter_min_cells must be at least 0, not {self.rank_filter_min_cells}"
            )
        if not 0 <= self.gaussian_sigma_slots < math.inf:
            raise ValueError(
                f"gaussian_sigma_slots must be at least 0 and finite, not "
                f"{self.gaussian_sigma_slots}"
            )
        weights = self.layer_weights
        if weights and not (all(0 <= w < math.inf for w in weights) and sum(weights) > 0):
            raise ValueError(f"layer_weights must be >= 0 and not all 0, not {weights}")

    @property
    def needs_motion(self) -> bool:
        """Whether the method needs the optical flow and scene cuts between slots."""
        return self.gaussian_sigma_slots > 0

    @property
    def needs_content(self) -> bool:
        """Whether the correction needs to know which tokens belong to content words."""
        return self.correction == "content" or self.content_cap is not None


PUBLISHED = ActivationOptions()
# Chosen on the dev clips of `shapes`; docs/results.md has the effect of each part on test clips.
DEFAULT = ActivationOptions(
    correction="content", content_cap=1.5, rank_filter=False, gaussian_sigma_slots=0.5
)
_PROFILES: dict[Profile, ActivationOptions] = {
    "default": DEFAULT,
    "published": PUBLISHED,
    "reference": ActivationOptions(reference_precision=True),
}


def profile_options(profile: Profile) -> ActivationOptions:
    """Return the options of a profile.

    Raises:
        ValueError: the profile is unknown.
    """
    if profile not in _PROFILES:
        raise ValueError(f"profile must be one of {get_args(Profile)}, not {profile!r}")
    return _PROFILES[profile]
