"""Attention, gradients, masked answers and random weights, checked on real model classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from zoo import all_cases

from tam_video.errors import ConfigError, ModelError, TokenAlignmentError
from tam_video.methods import METHODS
from tam_video.models import GenerationOptions, load_model
from tam_video.models.attention import check_causal, watch_attention
from tam_video.models.boundary import quiet
from tam_video.models.capture import find_decoder
from tam_video.models.inference import with_answer
from tam_video.models.masking import blank_frames, hide_cells
from tam_video.models.probing import Probe
from tam_video.models.prompt import encode_prompt
from tam_video.models.randomising import randomised_layers
from tam_video.testing import QUESTION, make_batch, make_image
from tam_video.types import Message

FAMILIES = ("qwen2_vl", "qwen3_vl", "internvl")
ANSWER = "the red dog"


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model, a clip of an odd number of frames, its explained answer and a probe."""
    with quiet():
        folder = all_cases()[request.param].save(tmp_path_factory.mktemp(request.param))
    model = load_model(str(folder))
    batch = make_batch(5, 96, 128)
    generation = model.generate(batch, QUESTION, answer=ANSWER)
    return SimpleNamespace(
        folder=folder,
        model=model,
        network=model.checkpoint.model,
        batch=batch,
        generation=generation,
        answer=generation.tokens[generation.num_prompt_tokens :],
        positions=[token.position for token in generation.tokens[generation.num_prompt_tokens :]],
        probe=Probe(model, batch, generation),
    )


@torch.no_grad()
def forward(case: Any, batch: Any = None, **options: Any) -> Any:
    """A plain pass of prompt and answer, all logits."""
    inputs, _ = encode_prompt(
        (batch or case.batch,),
        case.generation.conversation,
        checkpoint=case.model.checkpoint,
        family=case.model.adapter,
    )
    ids = [token.id for token in case.answer]
    longer = with_answer(inputs, ids, fill=case.model.adapter.answer_fill)
    with quiet():
        return case.network(**longer, use_cache=False, **options)


def log_probabilities(logits: torch.Tensor, case: Any) -> np.ndarray:
    rows = logits[0].double().log_softmax(dim=-1)
    return np.array([float(rows[token.position, token.id]) for token in case.answer])


def num_hooks(network: Any) -> int:
    """Hooks of all modules; transformers sets some of its own for good with output_attentions."""
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in network.modules()
    )


# attention


def test_attention_rows_are_those_of_output_attentions(case: Any) -> None:
    result = case.probe.attentions()
    before = case.network.config._attn_implementation
    case.network.set_attn_implementation("eager")
    try:
        record = forward(case, output_attentions=True).attentions
    finally:
        case.network.set_attn_implementation(before)
    assert result.layers == tuple(range(case.model.num_layers))
    for rows, weights in zip(result.rows, record, strict=True):
        assert rows.dtype == np.float32
        np.testing.assert_allclose(rows, weights[0][:, case.positions].numpy(), atol=2e-6)
        np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-5)
    averaged = case.probe.attentions(average_heads=True)
    for rows, mean in zip(result.rows, averaged.rows, strict=True):
        np.testing.assert_allclose(rows.mean(axis=0, keepdims=True), mean, atol=1e-6)
    np.testing.assert_array_equal(result.visual_positions, case.generation.visual_positions)


def test_rollout_is_the_product_over_all_positions(case: Any) -> None:
    before = case.network.config._attn_implementation
    case.network.set_attn_implementation("eager")
    try:
        record = forward(case, output_attentions=True).attentions
    finally:
        case.network.set_attn_implementation(before)
    product = np.eye(record[0].shape[-1])
    for weights in record:
        mixed = 0.5 * weights[0].double().mean(dim=0).numpy() + 0.5 * np.eye(len(product))
        product = (mixed / mixed.sum(axis=1, keepdims=True)) @ product
    expected = product[case.positions][:, case.generation.visual_positions]
    np.testing.assert_allclose(case.probe.attention_rollout(), expected, atol=1e-6)


def test_the_kernel_is_put_back_and_hooks_are_gone(case: Any) -> None:
    decoder = find_decoder(case.network)
    before, hooks = decoder.config._attn_implementation, num_hooks(case.network)
    assert before != "eager"
    case.probe.attentions()
    assert decoder.config._attn_implementation == before

    def fail(_layer: int, _weights: Any) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), watch_attention(decoder, fail):
        forward(case)
    assert decoder.config._attn_implementation == before
    assert num_hooks(case.network) == hooks


def test_another_question_moves_the_attention_but_not_the_cells(case: Any) -> None:
    own = case.probe.attention_rollout()
    other = case.probe.attention_rollout(
        conversation=[Message("user", "where is the dog in this long question?")]
    )
    assert own.shape == other.shape == (len(case.answer), len(case.generation.visual_positions))
    assert not np.allclose(own, other)


def test_attention_that_is_not_causal_is_refused() -> None:
    rows = torch.zeros(2, 1, 5)
    rows[0, 0, 3] = 0.1
    check_causal(rows, [3])
    with pytest.raises(ModelError, match="causal"):
        check_causal(rows, [2])


# gradients


@pytest.fixture
def in_float64(case: Any) -> Any:
    """The same model in double precision; its norms still work in single precision."""
    case.network.double()
    case.model.dtype = "float64"
    try:
        yield case
    finally:
        case.network.float()
        case.model.dtype = "float32"


def shifted(case: Any, layer: int, shift: torch.Tensor) -> torch.Tensor:
    """Logits [J, vocabulary] with a shift [V, d] added to the visual states of a layer."""

    def add(_module: Any, _args: Any, output: Any) -> Any:
        states = (output[0] if isinstance(output, tuple) else output).clone()
        states[0, case.generation.visual_positions.tolist()] += shift
        return (states, *output[1:]) if isinstance(output, tuple) else states

    handle = find_decoder(case.network).layers[layer].register_forward_hook(add)
    try:
        return forward(case).logits[0, case.positions]
    finally:
        handle.remove()


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("target", ["logit", "log_probability"])
def test_gradients_are_finite_differences(in_float64: Any, layer: int, target: str) -> None:
    case = in_float64
    result = Probe(case.model, case.batch, case.generation).gradients(layer, target=target)
    slopes = list(result.gradients)
    assert result.layer == layer
    assert result.states.shape == slopes[0].shape
    assert result.states.dtype == slopes[0].dtype == np.float32
    rng = np.random.default_rng(0)
    for _ in range(3):
        direction = rng.normal(size=result.states.shape)
        step = torch.from_numpy(direction) * 3e-3
        ends = [shifted(case, layer, sign * step) for sign in (1, -1)]
        if target == "log_probability":
            ends = [end.log_softmax(dim=-1) for end in ends]
        for row, token in enumerate(case.answer):
            measured = float(ends[0][row, token.id] - ends[1][row, token.id]) / 6e-3
            record = float((slopes[row] * direction).sum())
            assert measured == pytest.approx(record, rel=5e-3, abs=1e-4)
    assert any(np.abs(slope).max() > 1e-4 for slope in slopes)


def test_states_are_those_of_the_layer(case: Any) -> None:
    seen: list[torch.Tensor] = []
    layer = find_decoder(case.network).layers[1]
    handle = layer.register_forward_hook(
        lambda _m, _a, out: seen.append(out[0] if isinstance(out, tuple) else out)
    )
    try:
        forward(case)
    finally:
        handle.remove()
    expected = seen[0][0, case.generation.visual_positions.tolist()].numpy()
    np.testing.assert_allclose(case.probe.gradients(1).states, expected, atol=1e-6)


def test_gradients_leave_weights_and_hooks_as_they_were(case: Any) -> None:
    wanted = [weight.requires_grad for weight in case.network.parameters()]
    hooks = num_hooks(case.network)
    result = case.probe.gradients(0)
    next(result.gradients)  # the rest is never asked for
    assert [weight.requires_grad for weight in case.network.parameters()] == wanted
    assert all(weight.grad is None for weight in case.network.parameters())
    assert num_hooks(case.network) == hooks


def test_a_failing_pass_leaves_no_hook(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    top = find_decoder(case.network).layers[-1]
    wanted = [weight.requires_grad for weight in case.network.parameters()]
    hooks = num_hooks(case.network)

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("stop")

    monkeypatch.setattr(top, "forward", fail)
    keep = np.ones((1, *case.generation.layouts[0].shape), dtype=bool)
    asks: list[Callable[[], Any]] = [
        case.probe.attentions,
        case.probe.attention_rollout,
        lambda: case.probe.gradients(0),
        lambda: case.probe.score_masked(keep),
        case.probe.read_again,
    ]
    for ask in asks:
        with pytest.raises(ModelError, match="stop"):
            ask()
        assert num_hooks(case.network) == hooks
    assert [weight.requires_grad for weight in case.network.parameters()] == wanted
    assert find_decoder(case.network).config._attn_implementation != "eager"


def test_the_last_layer_and_layers_that_are_not_there_are_refused(case: Any) -> None:
    for layer in (-1, case.model.num_layers - 1, 99):
        with pytest.raises(ConfigError):
            case.probe.gradients(layer)


# masked videos


def some_masks(case: Any, number: int = 4) -> np.ndarray:
    shape = (number, *case.generation.layouts[0].shape)
    keep = np.random.default_rng(0).random(shape) < 0.5
    keep[0] = True
    return keep


def test_all_kept_gives_the_probabilities_of_the_generation(case: Any) -> None:
    keep = np.ones((1, *case.generation.layouts[0].shape), dtype=bool)
    result = case.probe.score_masked(keep)
    assert result.dtype == np.float64
    record = [token.probability for token in case.answer]
    np.testing.assert_allclose(np.exp(result[0]), record, rtol=1e-5)


def test_an_answer_of_the_model_is_probed_as_it_was_given(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case.network.generation_config, "min_new_tokens", 1)
    said = case.model.generate(case.batch, QUESTION, options=GenerationOptions(max_new_tokens=1))
    assert len(said.tokens) == said.num_prompt_tokens + 1
    keep = np.ones((1, *said.layouts[0].shape), dtype=bool)
    result = Probe(case.model, case.batch, said).score_masked(keep)[0]
    record = [token.probability for token in said.tokens[said.num_prompt_tokens :]]
    np.testing.assert_allclose(np.exp(result), record, rtol=1e-4)


@pytest.mark.parametrize("blank", ["mean", "blur", "black"])
def test_masked_scores_are_those_of_a_plain_pass_of_masked_frames(case: Any, blank: Any) -> None:
    keep = some_masks(case, 3)
    result = case.probe.score_masked(keep, blank=blank, batch_size=1)
    filling = blank_frames(case.batch.frames, blank)
    for row, mask in zip(result, keep, strict=True):
        frames = hide_cells(case.batch.frames, case.generation.layouts[0], mask, blank=filling)
        logits = forward(case, replace(case.batch, frames=frames)).logits
        np.testing.assert_allclose(row, log_probabilities(logits, case), atol=1e-6)
    assert not np.allclose(result[1], result[0], atol=1e-4)


def test_batched_scores_are_those_one_by_one(case: Any) -> None:
    probe, keep = Probe(case.model, case.batch, case.generation), some_masks(case, 5)
    together = probe.score_masked(keep, batch_size=2)
    assert probe._stacks is True
    np.testing.assert_allclose(together, probe.score_masked(keep, batch_size=1), atol=1e-5)


@pytest.mark.parametrize("error", [RuntimeError, None])
def test_a_family_that_does_not_stack_is_passed_one_by_one(
    case: Any, error: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tam_video.models import masked_scoring

    probe, keep = Probe(case.model, case.batch, case.generation), some_masks(case, 4)
    right = probe.score_masked(keep, batch_size=1)
    plain = masked_scoring._stacked

    def wrong(videos: Any) -> Any:
        """Fails, or gives every video the answer of the first."""
        if error is not None:
            return {"input_ids": torch.zeros(1, 1, 1)}
        return plain([videos[0]] * len(videos))

    monkeypatch.setattr(masked_scoring, "_stacked", wrong)
    np.testing.assert_allclose(probe.score_masked(keep, batch_size=4), right, atol=1e-9)
    assert probe._stacks is False


def test_progress_and_cost_are_reported(case: Any) -> None:
    probe, calls = Probe(case.model, case.batch, case.generation), []
    probe.score_masked(
        some_masks(case, 3), batch_size=1, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert (probe.cost.forward, probe.cost.backward) == (3, 0)
    list(probe.gradients(0).gradients)
    assert (probe.cost.forward, probe.cost.backward) == (4, len(case.answer))


def test_masks_that_do_not_fit_are_refused(case: Any) -> None:
    t, h, w = case.generation.layouts[0].shape
    for keep in (np.ones((1, t, h, w + 1), dtype=bool), np.ones((1, t, h, w))):
        with pytest.raises(ValueError, match="keep"):
            case.probe.score_masked(keep)
    with pytest.raises(ValueError, match="batch_size"):
        case.probe.score_masked(np.ones((1, t, h, w), dtype=bool), batch_size=0)
    with pytest.raises(ValueError, match="blank"):
        case.probe.score_masked(np.ones((1, t, h, w), dtype=bool), blank="pink")
    with pytest.raises(ValueError, match="target"):
        case.probe.gradients(0, target="loss")
    with pytest.raises(ConfigError):
        case.probe.score_masked(np.ones((1, t, h, w), dtype=bool), number=1)


# random weights


def test_weights_come_back_bit_for_bit(case: Any) -> None:
    before = {name: value.clone() for name, value in case.network.state_dict().items()}

    def changed() -> set[str]:
        return {
            name
            for name, value in case.network.state_dict().items()
            if not torch.equal(value, before[name])
        }

    decoder = find_decoder(case.network)
    name_of = {id(module): name for name, module in case.network.named_modules()}
    top, below = (f"{name_of[id(decoder.layers[number])]}." for number in (-1, -2))
    with randomised_layers(case.network, 1, seed=3):
        assert changed()
        assert all(name.startswith(top) for name in changed())
    with randomised_layers(case.network, 2, seed=3):
        assert any(name.startswith(below) for name in changed())
    with pytest.raises(KeyError), randomised_layers(case.network, 3):
        raise KeyError
    assert not changed()
    with pytest.raises(ConfigError), randomised_layers(case.network, 99):
        pass


def test_the_whole_model_is_made_noise_tower_and_embeddings_too(case: Any) -> None:
    before = {name: weight.detach().clone() for name, weight in case.network.named_parameters()}
    with randomised_layers(case.network, None, seed=3):
        kept = {
            name
            for name, weight in case.network.named_parameters()
            if before[name].unique().numel() > 1 and torch.equal(weight, before[name])
        }
        everything = [weight.detach().clone() for weight in layer_weights(case)]
    with randomised_layers(case.network, case.model.num_layers, seed=3):
        decoder = [weight.detach().clone() for weight in layer_weights(case)]
    assert not kept
    assert all(torch.equal(*pair) for pair in zip(everything, decoder, strict=True))
    for name, weight in case.network.named_parameters():
        assert torch.equal(weight, before[name]), name


def layer_weights(case: Any) -> Any:
    return find_decoder(case.network).layers.parameters()


def test_noise_hangs_on_the_seed_and_the_layer_only(case: Any) -> None:
    top = find_decoder(case.network).layers[-1]
    drawn = []
    for count, seed in ((1, 0), (2, 0), (1, 1)):
        with randomised_layers(case.network, count, seed=seed):
            drawn.append([weight.detach().clone() for weight in top.parameters()])
    same = [torch.equal(*pair) for pair in zip(drawn[0], drawn[1], strict=True)]
    assert all(same)
    other = [torch.equal(*pair) for pair in zip(drawn[0], drawn[2], strict=True)]
    assert not all(other)
    for weight, noise in zip(top.parameters(), drawn[0], strict=True):
        if weight.ndim > 1:
            assert float(noise.std()) == pytest.approx(float(weight.detach().std()), rel=0.15)


def test_a_randomised_probe_has_scores_of_its_own(case: Any) -> None:
    tam = METHODS.load("tam")()
    with case.probe.randomised(2, seed=1) as other:
        assert other.generation.tokens[-1].id == case.generation.tokens[-1].id
        assert not np.allclose(other.generation.scores, case.generation.scores, atol=1e-3)
        assert not np.allclose(tam.explain(other).maps[0], tam.explain(case.probe).maps[0])
        random_rollout = other.attention_rollout()
    assert not np.allclose(random_rollout, case.probe.attention_rollout())
    again = case.probe.read_again()
    np.testing.assert_allclose(again.scores, case.generation.scores, atol=1e-5)


def test_mixed_layers_of_a_randomised_probe_are_those_of_the_random_model(case: Any) -> None:
    options = GenerationOptions(mixed_layers=(0, -1))
    record = case.model.generate(case.batch, QUESTION, answer=ANSWER, options=options)
    probe = Probe(case.model, case.batch, record)
    with probe.randomised(None, seed=1, options=options) as other:
        for ours, theirs in zip(other.generation.layer_scores, record.layer_scores, strict=True):
            assert not np.allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        GenerationOptions(layer=1),
        GenerationOptions(layer="input"),
        GenerationOptions(logits="head"),
        GenerationOptions(mixed_layers=(0, "input", -1)),
    ],
)
def test_reading_again_gives_what_generating_gave(case: Any, options: Any) -> None:
    record = case.model.generate(case.batch, QUESTION, answer=ANSWER, options=options)
    again = case.probe.read_again(options)
    np.testing.assert_allclose(again.scores, record.scores, atol=1e-5)
    assert len(again.layer_scores) == len(record.layer_scores) == len(options.mixed_layers)
    for ours, theirs in zip(again.layer_scores, record.layer_scores, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for first, second in zip(again.tokens, record.tokens, strict=True):
        assert first.id == second.id
        assert first.role == second.role
        if second.probability is None:
            assert first.probability is None
        else:
            assert first.probability == pytest.approx(second.probability, rel=1e-5)


# what a probe is made from


def test_frames_of_another_grid_are_refused(case: Any) -> None:
    with pytest.raises(TokenAlignmentError):
        Probe(case.model, make_batch(9, 96, 128), case.generation)


def test_an_empty_answer_is_refused(case: Any) -> None:
    generation = case.generation
    count = generation.num_prompt_tokens
    empty = replace(
        generation,
        answer="",
        tokens=generation.tokens[:count],
        text_positions=generation.text_positions[:count],
        scores=generation.scores[:, :count],
    )
    with pytest.raises(ConfigError, match="empty"):
        Probe(case.model, case.batch, empty)


def test_a_control_token_inside_the_answer_needs_the_ids(case: Any) -> None:
    generation, count = case.generation, case.generation.num_prompt_tokens
    answer = list(generation.tokens[count:])
    control = case.model.checkpoint.processor.tokenizer.eos_token_id
    ids = [answer[0].id, control, *(token.id for token in answer[1:])]
    moved = [replace(token, position=token.position + 1) for token in answer[1:]]
    gapped = replace(generation, tokens=(*generation.tokens[:count], answer[0], *moved))
    with pytest.raises(TokenAlignmentError, match="control token"):
        Probe(case.model, case.batch, gapped)
    with pytest.raises(TokenAlignmentError, match="answer_ids"):
        Probe(case.model, case.batch, gapped, answer_ids=ids[:-1])
    probe = Probe(case.model, case.batch, gapped, answer_ids=ids)
    keep = np.ones((1, *generation.layouts[0].shape), dtype=bool)
    first = probe.score_masked(keep)[0, 0]
    assert np.exp(first) == pytest.approx(answer[0].probability, rel=1e-5)


# methods on real models


@pytest.mark.parametrize("name", [name for name in METHODS.names() if name != "occlusion"])
def test_every_method_explains_a_real_model(case: Any, name: str) -> None:
    result = METHODS.load(name)().explain(case.probe)
    assert result.maps[0].shape == (len(case.generation.tokens), *case.generation.layouts[0].shape)
    assert np.isfinite(result.maps[0]).all()
    assert result.maps[0][case.generation.num_prompt_tokens :].max() > 0


def test_occlusion_of_blocks_on_a_real_model(case: Any) -> None:
    t, h, w = case.generation.layouts[0].shape
    method = METHODS.load("occlusion")(block=(t, (h + 1) // 2, (w + 1) // 2))
    result = method.explain(case.probe)
    assert result.maps[0].shape[1:] == (t, h, w)
    assert result.cost.forward >= 5


def test_every_method_explains_a_video_and_an_image(tmp_path_factory: Any) -> None:
    with quiet():
        folder = all_cases()["qwen3_vl"].save(tmp_path_factory.mktemp("inputs"))
    model = load_model(str(folder))
    inputs = [make_batch(3, 64, 96), make_image(64, 64)]
    generation = model.generate(inputs, QUESTION, answer=ANSWER)
    probe = Probe(model, inputs, generation)
    for name in METHODS.names():
        options = {"block": (9, 9, 9)} if name == "occlusion" else {}
        result = METHODS.load(name)(**options).explain(probe)
        assert [part.shape[1:] for part in result.maps] == [
            each.shape for each in generation.layouts
        ]
    keep = np.zeros((1, *generation.layouts[1].shape), dtype=bool)
    assert not np.allclose(
        probe.score_masked(keep, number=1), probe.score_masked(~keep, number=1), atol=1e-4
    )


@pytest.mark.parametrize("family", ["qwen3_5", "gemma4", "video_llama_3_compressed"])
def test_odd_families(family: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Linear attention in some layers, two-way attention, tokens that the processor drops."""
    with quiet():
        folder = all_cases()[family].save(tmp_path_factory.mktemp(family))
    model, batch = load_model(str(folder)), make_batch(4, 96, 96)
    generation = model.generate(batch, QUESTION, answer=ANSWER)
    probe = Probe(model, batch, generation)
    result = probe.attentions()
    assert 0 < len(result.layers) <= model.num_layers
    assert (len(result.layers) < model.num_layers) == (family == "qwen3_5")
    assert np.isfinite(probe.attention_rollout()).all()
    assert max(np.abs(slope).max() for slope in probe.gradients(0).gradients) > 0
    keep = np.random.default_rng(0).random((4, *generation.layouts[0].shape)) < 0.5
    keep[0] = True
    together = probe.score_masked(keep, batch_size=4)
    np.testing.assert_allclose(together, probe.score_masked(keep, batch_size=1), atol=1e-3)
    record = [token.probability for token in generation.tokens[generation.num_prompt_tokens :]]
    np.testing.assert_allclose(np.exp(together[0]), record, rtol=1e-3)


def test_a_model_without_softmax_attention_says_so(case: Any) -> None:
    probe = Probe(case.model, case.batch, case.generation)
    probe._watch = lambda _forced, _visit: None  # type: ignore[method-assign]
    for ask in (probe.attentions, probe.attention_rollout):
        with pytest.raises(ModelError, match="softmax"):
            ask()
