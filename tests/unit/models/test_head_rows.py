"""Attention rows from queries and keys, against a plain softmax over whole matrices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tam_video.errors import ConfigError, ModelError
from tam_video.models.head_rows import (
    AttentionRules,
    HeadRows,
    LayerMeans,
    WantedRows,
    middle_third,
    query_rows,
    watch_rows,
)

LENGTH, HEADS, WIDTH = 7, 4, 8


def plain(query: torch.Tensor, key: torch.Tensor, rules: AttentionRules) -> torch.Tensor:
    """The whole weights [H, S, S], with loops over heads and positions."""
    length = key.shape[1]
    result = torch.zeros(len(query), length, length)
    for head in range(len(query)):
        for row in range(length):
            logits = []
            for column in range(length):
                product = float(query[head, row] @ key[head * len(key) // len(query), column])
                product *= rules.scaling or WIDTH**-0.5
                if rules.softcap:
                    product = rules.softcap * float(np.tanh(product / rules.softcap))
                is_seen = column <= row
                if rules.sliding_window and row - column >= rules.sliding_window:
                    is_seen = False
                if rules.mask is not None:
                    entry = rules.mask[head % len(rules.mask), row, column]
                    is_seen = bool(entry if entry.dtype == torch.bool else entry == 0)
                logits.append(product if is_seen else -np.inf)
            values = np.exp(np.array(logits))
            sink = 0.0 if rules.sinks is None else float(rules.sinks[head].exp())
            result[head, row] = torch.tensor(values / (values.sum() + sink))
    return result


def draw(groups: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(HEADS, LENGTH, WIDTH, generator=generator)
    return query, torch.randn(groups, LENGTH, WIDTH, generator=generator)


CAUSAL = torch.ones(LENGTH, LENGTH).tril().bool()
TWO_WAY = CAUSAL.clone()
TWO_WAY[1:4, 1:4] = True
PER_HEAD = torch.stack([CAUSAL & (torch.arange(LENGTH) != head) for head in range(HEADS)])
PER_HEAD |= torch.eye(LENGTH).bool()


@pytest.mark.parametrize(
    "rules",
    [
        AttentionRules(),
        AttentionRules(scaling=0.3),
        AttentionRules(softcap=0.7),
        AttentionRules(sliding_window=3),
        AttentionRules(sinks=torch.tensor([0.1, -1.0, 2.0, 0.0])),
        AttentionRules(mask=TWO_WAY[None]),
        AttentionRules(mask=PER_HEAD),
        AttentionRules(mask=torch.zeros(LENGTH, LENGTH).masked_fill(~TWO_WAY, -1e9)[None]),
    ],
)
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_rows_are_those_of_the_whole_softmax(rules: AttentionRules, groups: int) -> None:
    query, key = draw(groups)
    heads, wanted = [3, 0, 1], WantedRows({}, [4, 6], [1, 2, 3, 4])
    result = query_rows(query, key, heads=heads, wanted=wanted, rules=rules)
    expected = plain(query, key, rules)[heads][:, wanted.positions][:, :, wanted.columns]
    np.testing.assert_allclose(result.numpy(), expected.numpy(), atol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, LENGTH), st.sampled_from([0.0, 1.0, 1e4]))
def test_rows_are_shares(seed: int, window: int, scale: float) -> None:
    query, key = draw(2, seed)
    positions = list(range(LENGTH))
    rules = AttentionRules(sliding_window=window)
    whole, part = (
        query_rows(
            query * scale,
            key,
            heads=[0, 3],
            wanted=WantedRows({}, positions, columns),
            rules=rules,
        )
        for columns in (positions, [2, 3])
    )
    assert torch.isfinite(whole).all()
    assert (whole >= 0).all()
    torch.testing.assert_close(whole.sum(dim=-1), torch.ones(2, LENGTH))
    assert (part.sum(dim=-1) <= 1 + 1e-6).all()
    torch.testing.assert_close(part, whole[:, :, [2, 3]])


def test_half_precision_is_computed_in_single_precision() -> None:
    query, key = (part.bfloat16() for part in draw(2))
    wanted = WantedRows({}, [5], list(range(LENGTH)))
    result = query_rows(query, key, heads=[1], wanted=wanted, rules=AttentionRules())
    expected = plain(query.float(), key.float(), AttentionRules())[1, 5]
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result[0, 0].numpy(), expected.numpy(), atol=1e-6)


def test_a_mask_that_is_not_causal_at_the_rows_is_refused() -> None:
    query, key = draw(2)
    rules = AttentionRules(mask=torch.ones(1, LENGTH, LENGTH).bool())
    with pytest.raises(ModelError, match="causal"):
        query_rows(query, key, heads=[0], wanted=WantedRows({}, [3], [1]), rules=rules)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [0]), (2, [1]), (3, [1]), (4, [1, 2]), (6, [2, 3]), (28, list(range(9, 19)))],
)
def test_the_middle_third(count: int, expected: list[int]) -> None:
    assert middle_third(range(count)) == expected


def test_visitors_keep_heads_and_means() -> None:
    rows = torch.arange(12.0).reshape(2, 2, 3)
    heads = HeadRows([(5, 3), (5, 0), (7, 1), (5, 3)])
    assert heads.wanted([0], [1]).heads == {5: [3, 0], 7: [1]}
    heads(5, rows)
    assert sorted(heads.rows) == [(5, 0), (5, 3)]
    torch.testing.assert_close(heads.rows[5, 0], rows[1])
    means = LayerMeans(3)
    for layer in range(3):
        means(layer, rows + layer)
    torch.testing.assert_close(means.middle_third(), rows.mean(dim=0) + 1)


class Layer(nn.Module):
    """Calls its attention as the models of transformers do."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config, self.is_causal, self.num_key_value_groups = config, True, 2
        self.options: dict[str, Any] = {}
        self.mask: Any = None

    def forward(self, query: torch.Tensor, key: torch.Tensor) -> Any:
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        return attend(self, query, key, key, self.mask, scaling=0.5, **self.options)[0]


@pytest.fixture
def decoder() -> Any:
    config = SimpleNamespace(_attn_implementation="sdpa")
    return SimpleNamespace(config=config, layers=[Layer(config), Layer(config)])


def watched(decoder: Any, heads: list[tuple[int, int]]) -> tuple[HeadRows, list[torch.Tensor]]:
    visitor = HeadRows(heads)
    query, key = (part[None] for part in draw(2))
    with watch_rows(decoder, visitor.wanted([3, 6], [0, 1, 2]), visitor):
        return visitor, [layer(query, key) for layer in decoder.layers]


def test_the_layers_output_is_that_of_the_original_kernel(decoder: Any) -> None:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    before = ALL_ATTENTION_FUNCTIONS["sdpa"]
    visitor, outputs = watched(decoder, [(1, 2), (1, 0)])
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is before
    query, key = draw(2)
    for layer, output in zip(decoder.layers, outputs, strict=True):
        assert torch.equal(output, layer(query[None], key[None]))
    whole = plain(query, key, AttentionRules(scaling=0.5))
    assert set(visitor.rows) == {(1, 2), (1, 0)}
    for (_, head), rows in visitor.rows.items():
        np.testing.assert_allclose(rows.numpy(), whole[head][[3, 6], :3].numpy(), atol=1e-6)


def test_another_model_in_the_block_is_not_read(decoder: Any) -> None:
    other = Layer(decoder.config)
    visitor = HeadRows([(0, 0)])
    query, key = (part[None] for part in draw(2))
    with watch_rows(decoder, visitor.wanted([3], [0]), visitor):
        other(query, key)
    assert not visitor.rows


def test_the_kernel_is_put_back_after_an_error(decoder: Any) -> None:
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    before = ALL_ATTENTION_FUNCTIONS["sdpa"]
    with pytest.raises(ConfigError, match="layer 0 has no head 4"):
        watched(decoder, [(0, 4)])
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is before


def test_a_flash_kernel_is_watched_and_still_called(decoder: Any) -> None:
    """The flash kernels get a mask of [1, S], or none, and the window by name."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    calls: list[Any] = []

    def flash(_module: Any, query: Any, *_args: Any, **options: Any) -> tuple[Any, None]:
        calls.append(options)
        return query, None

    decoder.config._attn_implementation = "flash_test"
    decoder.layers[0].options = {"sliding_window": 2}
    decoder.layers[1].mask = torch.ones(1, LENGTH).bool()
    ALL_ATTENTION_FUNCTIONS.register("flash_test", flash)
    try:
        visitor, _ = watched(decoder, [(0, 1), (1, 1)])
    finally:
        del type(ALL_ATTENTION_FUNCTIONS)._global_mapping["flash_test"]
    assert [call.get("sliding_window") for call in calls] == [2, None]
    query, key = draw(2)
    for layer, window in ((0, 2), (1, None)):
        whole = plain(query, key, AttentionRules(scaling=0.5, sliding_window=window))
        expected = whole[1][[3, 6], :3].numpy()
        np.testing.assert_allclose(visitor.rows[layer, 1].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("kernel", ["flex_attention", "unknown"])
def test_a_kernel_that_cannot_be_watched_is_refused(decoder: Any, kernel: str) -> None:
    decoder.config._attn_implementation = kernel
    with pytest.raises(ModelError, match=kernel) as caught:
        watched(decoder, [(0, 0)])
    assert caught.value.hint


@pytest.mark.parametrize("options", [{"is_causal": False}, {"position_bias": torch.zeros(1)}])
def test_attention_of_another_kind_is_refused(decoder: Any, options: dict[str, Any]) -> None:
    decoder.layers[0].options = options
    with pytest.raises(ModelError, match="cannot be computed"):
        watched(decoder, [(0, 0)])


def test_no_tensor_of_all_pairs_of_positions_is_made(decoder: Any) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    length, shapes = 301, set()

    class Shapes(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                shapes.add(tuple(result.shape))
            return result

    generator = torch.Generator().manual_seed(0)
    query = torch.randn(HEADS, length, WIDTH, generator=generator)
    key = torch.randn(2, length, WIDTH, generator=generator)
    wanted = WantedRows({}, [290, 300], list(range(200)))
    with Shapes():
        query_rows(query, key, heads=[0, 1, 2], wanted=wanted, rules=AttentionRules())
    assert (2, length) in shapes
    assert not any(shape.count(length) > 1 for shape in shapes)
