"""Alert rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tam_video.pipelines.surveillance.options import QuestionOptions
from tam_video.types import Explanation, Token

NUM_CANDIDATES = 20
"""Number of stored candidates per token if a rule uses a probability."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of an alert rule.

    Attributes:
        is_alert: whether the answer is an alert.
        yes_probability: probability that the answer begins with yes; None if the rule has no
            `yes_probability`.
        reason: names of the conditions that hold.
    """

    is_alert: bool
    yes_probability: float | None
    reason: str


def evaluate_rule(explanation: Explanation, question: QuestionOptions) -> Verdict:
    """Evaluate the alert rule of a question for an answer."""
    yes = None
    conditions: dict[str, bool] = {}
    if question.pattern is not None:
        match = re.search(question.pattern, explanation.answer, re.IGNORECASE)
        conditions["pattern"] = match is not None
    if question.yes_probability is not None:
        yes = yes_probability(explanation.tokens, question.yes_words)
        conditions["yes_probability"] = yes >= question.yes_probability
    if question.always:
        return Verdict(True, yes, "always")
    combine = all if question.match == "all" else any
    reason = " and ".join(name for name, holds in conditions.items() if holds)
    return Verdict(combine(conditions.values()), yes, reason)


def yes_probability(tokens: Sequence[Token], yes_words: Sequence[str]) -> float:
    """Return the probability that the first token of the answer is a yes.

    This is the sum over its candidates that are a yes, ignoring case and surrounding spaces. Tokens
    beyond the stored candidates count as zero, so the sum is a lower bound.

    Args:
        tokens: tokens of an explanation.
        yes_words: words that count as yes.

    Returns:
        In 0..1; 0 if there is no answer.
    """
    wanted = {word.strip().casefold() for word in yes_words}
    first = next((t for t in tokens if t.role == "answer" and not t.is_special), None)
    if first is None:
        return 0.0
    shares = {each.id: each.probability for each in first.candidates if _is_yes(each.text, wanted)}
    if first.id not in shares and first.probability is not None and _is_yes(first.text, wanted):
        shares[first.id] = first.probability
    return min(1.0, sum(shares.values()))


def _is_yes(text: str, wanted: set[str]) -> bool:
    return text.strip().strip(".,!").casefold() in wanted
