"""Logits of a few columns, against loops over single numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.models.base import LogitTransform
from tam_video.models.capture import States
from tam_video.models.scores import (
    NO_TRANSFORM,
    ROWS_PER_STEP,
    class_scores,
    most_probable_id,
    next_tokens,
    recorded_odds,
    token_odds,
    transformed,
)

TRANSFORMS = [
    NO_TRANSFORM,
    LogitTransform(scale=0.3),
    LogitTransform(softcap=5.0),
    LogitTransform(scale=2.5, softcap=0.7),
]
every_transform = pytest.mark.parametrize("transform", TRANSFORMS, ids=str)


def slow(logit: float, transform: LogitTransform) -> float:
    scaled = logit * transform.scale
    cap = transform.softcap
    return scaled if cap is None else cap * math.tanh(scaled / cap)


def make_head(*, bias: bool, vocabulary: int = 11, size: int = 6) -> torch.nn.Linear:
    torch.manual_seed(3)
    return torch.nn.Linear(size, vocabulary, bias=bias).requires_grad_(requires_grad=False)


@given(
    logits=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1),
    scale=st.floats(1e-3, 1e3),
    softcap=st.none() | st.floats(1e-2, 1e3),
)
@settings(deadline=None)
def test_logits_are_scaled_before_they_are_capped(
    logits: list[float], scale: float, softcap: float | None
) -> None:
    transform = LogitTransform(scale, softcap)
    result = transformed(torch.tensor(logits, dtype=torch.float64), transform).tolist()
    assert result == pytest.approx([slow(logit, transform) for logit in logits])
    if softcap is not None:
        assert max(map(abs, result)) <= softcap


def test_no_transform_leaves_the_logits_alone() -> None:
    logits = torch.linspace(-90, 90, 7)
    assert transformed(logits, NO_TRANSFORM) is logits


@every_transform
def test_a_transform_keeps_the_order(transform: LogitTransform) -> None:
    logits = torch.linspace(-3, 3, 50, dtype=torch.float64)
    assert (transformed(logits, transform).diff() > 0).all()


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"scale": -1.0}, {"softcap": 0.0}])
def test_scale_and_softcap_are_positive(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        LogitTransform(**wrong)


@every_transform
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("num_positions", [1, 5, ROWS_PER_STEP + 1])
def test_columns_equal_loops(transform: LogitTransform, bias: bool, num_positions: int) -> None:
    head = make_head(bias=bias)
    hidden = torch.randn(num_positions, 6)
    ids = np.array([4, 0, 4, 10])
    result = class_scores(hidden, head, class_ids=ids, transform=transform)
    assert result.dtype == np.float32
    assert result.shape == (num_positions, 4)
    weight, states = head.weight.tolist(), hidden.tolist()
    offset = head.bias.tolist() if bias else [0.0] * 11
    for row in {0, num_positions // 2, num_positions - 1}:
        for column, id_ in enumerate(ids.tolist()):
            logit = sum(w * s for w, s in zip(weight[id_], states[row], strict=True))
            assert result[row, column] == pytest.approx(
                slow(logit + offset[id_], transform), abs=1e-5
            )


@pytest.mark.parametrize("rows_per_step", [1, 3, 100])
def test_steps_change_no_score(rows_per_step: int) -> None:
    head, hidden, ids = make_head(bias=True), torch.randn(7, 6), np.array([4, 0])
    whole = class_scores(hidden, head, class_ids=ids)
    result = class_scores(hidden, head, class_ids=ids, rows_per_step=rows_per_step)
    np.testing.assert_allclose(result, whole, atol=1e-6)


def test_half_precision_states_are_read_in_full() -> None:
    head, hidden = make_head(bias=False).to(torch.bfloat16), torch.randn(4, 6).to(torch.bfloat16)
    result = class_scores(hidden, head, class_ids=np.arange(11))
    full = hidden.float() @ head.weight.float().T
    np.testing.assert_allclose(result, full.numpy(), atol=1e-6)


@every_transform
def test_probabilities_are_those_of_the_transformed_logits(transform: LogitTransform) -> None:
    head, hidden = make_head(bias=True), torch.randn(20, 6) * 3
    ids = [n % 11 for n in range(20)]
    odds = token_odds(hidden, head, ids=ids, num_candidates=3, transform=transform)
    for row, result in enumerate(odds):
        weights = [math.exp(slow(logit, transform)) for logit in head(hidden[row]).tolist()]
        chances = [weight / sum(weights) for weight in weights]
        best = sorted(chances, reverse=True)[:3]
        assert result.probability == pytest.approx(chances[ids[row]], abs=1e-5)
        assert [value for _id, value in result.candidates] == pytest.approx(best, abs=1e-5)
        # By value, not by id: logits near the cap are all but equal.
        assert [chances[id_] for id_, _value in result.candidates] == pytest.approx(best, abs=1e-5)
        assert chances[most_probable_id(hidden[row], head)] == pytest.approx(best[0], abs=1e-5)


def test_scores_of_recorded_states_are_those_of_joined_ones() -> None:
    head, parts = make_head(bias=True), [torch.randn(n, 6) for n in (ROWS_PER_STEP + 3, 1, 1)]
    result = class_scores(States(parts), head, class_ids=np.array([2, 9]))
    joined = class_scores(torch.cat(parts), head, class_ids=np.array([2, 9]))
    np.testing.assert_allclose(result, joined, atol=1e-6)


@every_transform
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_candidates", [0, 3])
def test_odds_from_recorded_logits_equal_those_of_the_head(
    transform: LogitTransform, dtype: torch.dtype, num_candidates: int
) -> None:
    head, hidden = make_head(bias=True).to(dtype), (torch.randn(20, 6) * 3).to(dtype)
    ids = [n % 11 for n in range(20)]
    seen = [
        next_tokens(transformed(head(row[None]).float(), transform), num_candidates)
        for row in hidden
    ]
    result = recorded_odds(seen, hidden, head, ids=ids, transform=transform)
    expected = token_odds(hidden, head, ids=ids, num_candidates=num_candidates, transform=transform)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for ours, theirs in zip(result, expected, strict=True):
        assert ours.probability == pytest.approx(theirs.probability, abs=tolerance)
        assert [value for _id, value in ours.candidates] == pytest.approx(
            [value for _id, value in theirs.candidates], abs=tolerance
        )


def test_no_answer_has_no_odds() -> None:
    assert recorded_odds([], torch.empty(0, 6), make_head(bias=False), ids=[]) == ()
