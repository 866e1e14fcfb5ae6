"""Rows of chosen heads and states of cells, against a plain eager pass of real model classes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from zoo import all_cases

from tam_video.errors import ConfigError, ModelError
from tam_video.methods.heads import Heads
from tam_video.models import load_model
from tam_video.models.boundary import quiet
from tam_video.models.capture import find_decoder
from tam_video.models.probing import Probe
from tam_video.testing import QUESTION, make_batch

FAMILIES = (
    "tiny",
    "qwen2_5_vl",
    "qwen3_vl_moe",
    "internvl",
    "llava_onevision",
    "llava_next_video",
    "gemma4",
    "smolvlm",
    "molmo2",
    "minimax_m3_vl",
    "muse_glimmer",
    "exaone4_5",
    "qwen3_5",
    "video_llama_3_compressed",
)
HYBRID = ("qwen3_5",)


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model, its explained answer, a probe, and the eager pass: weights and states."""
    name = request.param
    if name != "tiny":
        with quiet():
            name = str(all_cases()[name].save(tmp_path_factory.mktemp(name)))
    model = load_model(name)
    batch = make_batch(5, 96, 128)
    generation = model.generate(batch, QUESTION, answer="the red dog")
    probe = Probe(model, batch, generation)
    weights, states = eager_pass(probe)
    return SimpleNamespace(
        name=request.param,
        model=model,
        generation=generation,
        probe=probe,
        weights=weights,
        states=states,
        cells=generation.visual_positions,
        positions=[token.position for token in generation.tokens[generation.num_prompt_tokens :]],
    )


def eager_pass(probe: Probe) -> tuple[dict[int, np.ndarray], tuple[np.ndarray, ...]]:
    """Weights [H, S, S] of the layers that have them, and the states [S, d] of all layers."""
    decoder = find_decoder(probe.model.checkpoint.model)
    before = decoder.config._attn_implementation
    decoder.set_attn_implementation("eager")
    try:
        with probe._running():
            result = probe._network(
                **probe._forced.inputs,
                use_cache=False,
                output_attentions=True,
                output_hidden_states=True,
            )
    finally:
        decoder.set_attn_implementation(before)
    # A hybrid decoder returns weights of its softmax layers only, in their order.
    types = getattr(decoder.config, "layer_types", None) or []
    softmax = [number for number, kind in enumerate(types) if kind != "linear_attention"]
    parts = [part[0].float().numpy() for part in result.attentions if part is not None]
    layers = softmax if len(softmax) == len(parts) else range(len(parts))
    states = tuple(part[0].float().numpy() for part in result.hidden_states)
    return dict(zip(layers, parts, strict=True)), states


def test_rows_are_those_of_the_eager_pass(case: Any) -> None:
    heads = [(layer, head) for layer, part in case.weights.items() for head in range(len(part))]
    rows = case.probe.head_rows(heads)
    assert rows.dtype == np.float32
    assert rows.shape == (len(heads), len(case.positions), len(case.cells))
    for (layer, head), own in zip(heads, rows, strict=True):
        expected = case.weights[layer][head][case.positions][:, case.cells]
        np.testing.assert_allclose(own, expected, atol=3e-6)
    assert np.isfinite(rows).all()
    assert (rows.sum(axis=-1) <= 1 + 1e-5).all()
    assert rows.max() > 0


def test_the_middle_third_is_a_mean_over_heads(case: Any) -> None:
    layers = sorted(case.weights)
    middle = {1: layers, 3: layers[1:2], 4: layers[1:3]}[len(layers)]
    expected = np.mean([case.weights[layer].mean(axis=0) for layer in middle], axis=0)
    for of, positions in (("answer", case.positions), ("question", question(case))):
        rows = case.probe.middle_attention(of=of)
        np.testing.assert_allclose(rows, expected[positions][:, case.cells], atol=3e-6)


def question(case: Any) -> list[int]:
    prompt = case.generation.tokens[: case.generation.num_prompt_tokens]
    after = [token.position for token in prompt if token.position > case.cells.max()]
    return after or case.positions[:1]


def test_rows_of_the_question_see_the_cells(case: Any) -> None:
    layer = sorted(case.weights)[-1]
    rows = case.probe.head_rows([(layer, 1), (layer - case.model.num_layers, 0)], of="question")
    for head, own in zip((1, 0), rows, strict=True):
        expected = case.weights[layer][head][question(case)][:, case.cells]
        np.testing.assert_allclose(own, expected, atol=3e-6)


def test_states_are_those_of_the_layer(case: Any) -> None:
    layer = 0
    tokens, cells = case.probe.cell_states(layer)
    predicting, _ = case.probe.cell_states(layer, of="prediction")
    states = case.states[layer + 1]
    own = [position + 1 for position in case.positions]
    np.testing.assert_allclose(tokens, states[own], atol=1e-4)
    np.testing.assert_allclose(predicting, states[case.positions], atol=1e-4)
    if case.name != "qwen3_vl_moe":  # it adds features of the vision tower after the layer
        np.testing.assert_allclose(cells, states[case.cells], atol=1e-4)


class Shapes(TorchDispatchMode):
    """Records the shape and type of every tensor that an operation makes; views are not made."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[tuple[int, ...], torch.dtype]] = set()

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(each.alias_info is not None for each in func._schema.returns):
            return result
        for part in result if isinstance(result, tuple | list) else (result,):
            if isinstance(part, torch.Tensor):
                self.seen.add((tuple(part.shape), part.dtype))
        return result


def squares(case: Any, run: Callable[[], Any]) -> set[tuple[tuple[int, ...], torch.dtype]]:
    """Shapes with two sides of all positions, or more."""
    length = int(case.probe._forced.inputs["input_ids"].shape[1])
    with case.probe._running(), Shapes() as shapes:
        run()
    return {(shape, dtype) for shape, dtype in shapes.seen if shape.count(length) > 1}


def test_reading_rows_makes_no_weights_of_all_pairs_of_positions(case: Any) -> None:
    """Masks, and the scores by which MiniMax chooses blocks, are the model's own."""
    decoder = find_decoder(case.model.checkpoint.model)
    assert decoder.config._attn_implementation == "sdpa"
    plain = squares(case, lambda: case.probe._pass(case.probe._forced.inputs))
    assert squares(case, case.probe.middle_attention) <= plain
    assert decoder.config._attn_implementation == "sdpa"
    eager = squares(case, lambda: case.probe.attentions(average_heads=True))
    assert any(shape[-3] > 1 for shape, dtype in eager - plain if dtype.is_floating_point)


def test_heads_that_are_not_there_are_refused(case: Any) -> None:
    layer = sorted(case.weights)[0]
    for heads in ([], [(99, 0)], [(layer, 99)], [(layer, -1)]):
        with pytest.raises(ConfigError):
            case.probe.head_rows(heads)
    without = set(range(case.model.num_layers)) - set(case.weights)
    assert bool(without) == (case.name in HYBRID)
    for layer in without:
        with pytest.raises(ConfigError, match="no softmax attention, or"):
            case.probe.head_rows([(layer, 0)])
    for ask in (case.probe.middle_attention, case.probe.cell_states):
        with pytest.raises(ValueError, match="'of' must be"):
            ask(of="cells")


def test_an_eager_decoder_gives_the_same_rows(case: Any) -> None:
    decoder = find_decoder(case.model.checkpoint.model)
    own = case.probe.middle_attention()
    before = decoder.config._attn_implementation
    decoder.set_attn_implementation("eager")
    try:
        eager = case.probe.middle_attention()
    finally:
        decoder.set_attn_implementation(before)
    np.testing.assert_allclose(own, eager, atol=3e-6)


def test_a_decoder_that_does_not_use_the_interface_says_so(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case.probe, "_pass", lambda _inputs: None)
    with pytest.raises(ModelError, match="interface") as refused:
        case.probe.middle_attention()
    assert "tam" in refused.value.hint
    with pytest.raises(ConfigError, match="interface") as caught:
        case.probe.head_rows([(0, 0)])
    assert "attention" in caught.value.hint


def test_the_method_takes_heads_and_the_question(case: Any) -> None:
    layer = sorted(case.weights)[0]
    method = Heads(heads=((layer, 0), (layer, 1)), times="question", time_heads=((layer, 1),))
    result = method.explain(case.probe)
    assert result.maps[0].shape[1:] == case.generation.layouts[0].shape
    assert np.isfinite(result.maps[0]).all()
    assert result.cost.forward == 2
