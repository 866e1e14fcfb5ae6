"""Value classes for the causal check of an answer: what hiding the track of each word changes."""

from __future__ import annotations

from dataclasses import dataclass

from tam_video.types.arrays import check

LEAST_DIFFERENCE = 0.01
"""Probabilities that differ by less count as equal: the difference can be rounding."""


@dataclass(frozen=True, slots=True)
class WordVerification:
    """The probability of a word while its track, or a control region instead, is hidden.

    A control region is the track moved to another place in the picture. A probability is the
    product over the word's tokens, given the question and the answer before each. While a region
    is hidden it is the larger of two: one with the region blurred, one with it grey.

    Attributes:
        word: index of the word.
        input: index of the input in which its map is highest; only this input is changed.
        probability: in [0, 1], nothing hidden.
        hidden: in [0, 1], its track hidden; None if the map is constant: there is no track.
        controls: in [0, 1] for each control region that is hidden instead; none if no region fits.
    """

    word: int
    input: int
    probability: float
    hidden: float | None = None
    controls: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        values = (self.probability, self.hidden, *self.controls)
        check(all(v is None or 0 <= v <= 1 for v in values), "a probability must be in [0, 1]")
        check(self.hidden is not None or not self.controls, "controls need a track")

    @property
    def num_beaten(self) -> int:
        """The number of controls that lower the probability less than the hidden track does."""
        if self.hidden is None:
            return 0
        return sum(value - self.hidden >= LEAST_DIFFERENCE for value in self.controls)

    @property
    def is_confirmed(self) -> bool:
        """True if hiding the track lowers the probability, and no control lowers it as much."""
        return (
            self.hidden is not None
            and self.probability - self.hidden >= LEAST_DIFFERENCE
            and 0 < len(self.controls) == self.num_beaten
        )

    @property
    def summary(self) -> str:
        """The result in short: "hidden: 0.93 to 0.12; controls: 0.91 to 0.93 (8 of 8)"."""
        if self.hidden is None:
            return "not checked: its map is constant, so it has no track"
        fall = f"hidden: {self.probability:.2f} to {self.hidden:.2f}"
        if not self.controls:
            return f"{fall}; no control region fits in the picture"
        least, most = min(self.controls), max(self.controls)
        counts = f"{self.num_beaten} of {len(self.controls)}"
        return f"{fall}; controls: {least:.2f} to {most:.2f} ({counts})"

    @property
    def sentence(self) -> str:
        """The result for the word as one or two sentences."""
        if self.hidden is None:
            return "Not checked: its map is constant, so it has no track to hide."
        shown = f"Probability {self.probability:.2f}; with its track hidden {self.hidden:.2f}"
        if not self.controls:
            return f"{shown}. No control region fits in the picture, so nothing can be compared."
        least, most = f"{min(self.controls):.2f}", f"{max(self.controls):.2f}"
        span = least if least == most else f"{least} to {most}"
        counts = f"{self.num_beaten} of {len(self.controls)}"
        return (
            f"{shown}; with a region of the same size and motion hidden elsewhere {span}. "
            f"Without its track it is less probable than with {counts} such regions hidden."
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """The causal check of an answer.

    Attributes:
        words: the results, in the order of the answer; not every word needs one.
        num_passes: forward passes that it took.
        seed: seed of the choice of control regions.
        warnings: what may have changed the result, in words.
    """

    words: tuple[WordVerification, ...]
    num_passes: int
    seed: int = 0
    warnings: tuple[str, ...] = ()

    def of_word(self, index: int) -> WordVerification | None:
        """Return the result for a word, or None if the word was not checked."""
        return next((each for each in self.words if each.word == index), None)

    @property
    def summary(self) -> str:
        """The result in one line."""
        confirmed = sum(each.is_confirmed for each in self.words)
        compared = sum(bool(each.controls) for each in self.words)
        left_out = len(self.words) - compared
        rest = f"; {left_out} could not be compared" if left_out else ""
        return (
            f"{confirmed} of {compared} words lose more probability with their track hidden than "
            f"with any control region hidden{rest}"
        )
