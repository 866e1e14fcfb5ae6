"""Declarations of the settings of the causal check of an answer."""

from __future__ import annotations

from dataclasses import dataclass

from tam_video.settings.declare import Declared, check_values, setting


@dataclass(frozen=True)
class VerifySettings(Declared):
    """Settings of the causal check.

    Attributes:
        words: words to check, by text or index; () for all content words.

    Raises:
        ConfigError: a value is out of range.
    """

    words: tuple[int | str, ...] = ()
    num_controls: int = setting(
        8,
        "Maximum number of control regions per word.",
        flag="--controls",
        metavar="N",
        ge=1,
        le=100,
    )
    seed: int = setting(0, "Random seed of the choice of control regions.", ge=0)
    batch_size: int = setting(8, "Number of changed videos in each forward pass.", ge=1)

    def __post_init__(self) -> None:
        check_values(self)
