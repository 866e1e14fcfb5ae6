"""Whether an answer is an alert."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tam_video.pipelines.surveillance.options import QuestionOptions
from tam_video.types import Explanation, Token

NUM_CANDIDATES = 20
"""Candidates of a token that are kept where a rule asks for a probability."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of an answer.

    Attributes:
        is_alert: whether it is one.
        yes_probability: that the answer begins with yes; None where no rule asks for it.
        reason: which conditions held, in words.
    """

    is_alert: bool
    yes_probability: float | None
    reason: str


def judge(explanation: Explanation, question: QuestionOptions) -> Verdict:
    """Hold an answer against the rule of its question."""
    yes = None
    held: dict[str, bool] = {}
    if question.pattern is not None:
        found = re.search(question.pattern, explanation.answer, re.IGNORECASE) is not None
        held["pattern"] = found
    if question.yes_probability is not None:
        yes = yes_probability(explanation.tokens, question.yes_words)
        held["yes_probability"] = yes >= question.yes_probability
    if question.always:
        return Verdict(True, yes, "always")
    combine = all if question.match == "all" else any
    is_alert = combine(held.values())
    return Verdict(is_alert, yes, " and ".join(name for name, holds in held.items() if holds))


def yes_probability(tokens: Sequence[Token], yes_words: Sequence[str]) -> float:
    """The probability that the first token of the answer is a yes.

    The sum over those of its candidates that are a yes, whatever their case and the spaces around
    them. Less probable tokens than the kept candidates count as none: the sum is a lower bound.

    Args:
        tokens: of an explanation.
        yes_words: what counts as yes.

    Returns:
        In 0..1; 0 where there is no answer.
    """
    wanted = {word.strip().casefold() for word in yes_words}
    first = next((t for t in tokens if t.role == "answer" and not t.is_special), None)
    if first is None:
        return 0.0
    shares = {each.id: each.probability for each in first.candidates if _is_one(each.text, wanted)}
    if first.id not in shares and first.probability is not None and _is_one(first.text, wanted):
        shares[first.id] = first.probability
    return min(1.0, sum(shares.values()))


def _is_one(text: str, wanted: set[str]) -> bool:
    return text.strip().strip(".,!").casefold() in wanted
