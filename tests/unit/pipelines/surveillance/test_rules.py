"""When an answer is an alert."""

from dataclasses import replace

import numpy as np
import pytest
from constructed import make_explanation

from tam_video.pipelines.surveillance.alerts import evaluate_rule, yes_probability
from tam_video.pipelines.surveillance.options import QuestionOptions
from tam_video.types import Candidate


def answered(*words, candidates=(), probability=0.5):
    explanation = make_explanation(np.zeros((len(words), 2, 2, 2), np.float32), words=words)
    first = replace(explanation.tokens[0], candidates=candidates, probability=probability)
    return replace(explanation, tokens=(first, *explanation.tokens[1:]))


def question(**rule):
    return QuestionOptions(name="q", ask="Is it there?", **rule)


YES = (Candidate(1, "No", 0.3), Candidate(2, " Yes", 0.4), Candidate(3, "yes", 0.25))


def test_probabilities_of_all_spellings_of_yes_are_added():
    assert yes_probability(answered("No", candidates=YES).tokens, ["yes"]) == pytest.approx(0.65)


def test_the_token_counts_if_it_is_not_a_candidate():
    assert yes_probability(answered("Yes", probability=0.7).tokens, ["yes"]) == 0.7
    assert yes_probability(answered("Yes,", probability=0.7).tokens, ["YES"]) == 0.7


def test_other_words_and_an_empty_answer_are_not_a_yes():
    assert yes_probability(answered("Yesterday", probability=1.0).tokens, ["yes"]) == 0
    assert yes_probability((), ["yes"]) == 0


@pytest.mark.parametrize(
    ("rule", "is_alert"),
    [
        ({"yes_probability": 0.6}, True),
        ({"yes_probability": 0.7}, False),
        ({"pattern": "FIRE"}, True),
        ({"pattern": "^fire"}, False),
        ({"pattern": "smoke", "yes_probability": 0.6}, False),
        ({"pattern": "smoke", "yes_probability": 0.6, "match": "any"}, True),
        ({"pattern": "smoke", "always": True}, True),
    ],
)
def test_rules(rule, is_alert):
    verdict = evaluate_rule(answered("There", "is", "fire", candidates=YES), question(**rule))
    assert verdict.is_alert == is_alert
    assert (verdict.yes_probability is None) == ("yes_probability" not in rule)


def test_the_reason_names_the_conditions_that_hold():
    both = evaluate_rule(
        answered("fire", candidates=YES), question(pattern="fire", yes_probability=0.6)
    )
    assert both.reason == "pattern and yes_probability"
