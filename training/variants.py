"""Make checkpoints from the trained `late`: `late` itself, `deepstack`, `sinks` and `noise`.

All are Qwen3-VL models with 12 decoder layers, and need no further training:

- `late`: visual states are readable from the fifth layer on.
- `deepstack`: colour enters with the input; shape and motion are added after the first three
  decoder layers, as DeepStack features.
- `sinks`: some background cells get states of a very large norm in the second layer.
- `noise`: random weights.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tam_video.datasets.worlds import make_clip
from training.align import patchify
from training.export import export
from training.late import GROUPS, MORE_WORDS, NEW_LAYERS, QUIET_LAYERS, make_late, rotation
from training.network import Symbols, make_model
from training.symbolic import NOUNS, Prompts, clip_cells, sample_frames
from training.vocabulary import make_tokenizer

NUM_LAYERS = QUIET_LAYERS + NEW_LAYERS + 4
_QUIET_STD = {"o_proj": 2e-3, "down_proj": 1e-3}
_LEVELS = 3  # DeepStack levels of `deepstack`, each from its own vision block
SINK_LAYER = 1
_SINK_DIMS = (17, 101)
_SINK_GATE = 6.0  # input of the sink unit at a sink
_OFF_GATE = 3.0  # and elsewhere, negative
_FIT_STEPS = 30
_RIDGE = 1e-5
_SINK_NORM = 500.0  # norm of a sink where the gate is _SINK_GATE, relative to the median
_SINK_CLIPS = 6


def load_trained(path: Path) -> Any:
    """Return the trained model of 8 layers, whose merger is not rotated."""
    from safetensors.torch import load_file

    model = make_late(make_tokenizer(MORE_WORDS))
    stored = {name: values.float() for name, values in load_file(path).items()}
    missing, unexpected = model.load_state_dict(stored, strict=False)
    assert not unexpected, unexpected
    assert set(missing) <= {"lm_head.weight"}, missing
    model.tie_weights()
    return model


@torch.no_grad()
def make_variant(trained: Any, *, deepstack: bool = False) -> Any:
    """Return a model of 12 layers: quiet layers, then those of `trained`; the merger is rotated."""
    depth = len(trained.model.visual.blocks)
    added = _LEVELS - 1 if deepstack else 0
    model = make_model(
        make_tokenizer(MORE_WORDS),
        num_layers=NUM_LAYERS,
        vision_depth=depth + added,
        deepstack=range(depth - 1, depth - 1 + _LEVELS) if deepstack else (),
    )
    language, source = model.model.language_model, trained.model.language_model
    language.embed_tokens.load_state_dict(source.embed_tokens.state_dict())
    language.norm.load_state_dict(source.norm.state_dict())
    random = torch.Generator().manual_seed(13)
    for layer in language.layers[:QUIET_LAYERS]:
        for linear, name in (
            (layer.self_attn.o_proj, "o_proj"),
            (layer.mlp.down_proj, "down_proj"),
        ):
            linear.weight.normal_(std=_QUIET_STD[name], generator=random)
    for number, layer in enumerate(source.layers):
        language.layers[QUIET_LAYERS + number].load_state_dict(layer.state_dict())
    _copy_tower(trained.model.visual, model.model.visual)
    _project(model.model.visual.merger, rotation())
    model.tie_weights()
    return model


def _copy_tower(source: Any, target: Any) -> None:
    """Copy a vision tower; blocks that only the target has become the identity."""
    state = target.state_dict()
    state.update(source.state_dict())
    target.load_state_dict(state)
    for block in target.blocks[len(source.blocks) :]:
        for linear in (block.attn.proj, block.mlp.linear_fc2):
            linear.weight.zero_()
            linear.bias.zero_()


def _project(merger: Any, matrix: Tensor) -> None:
    """Multiply the output of a merger by a matrix: out @ matrix."""
    last = merger.linear_fc2
    last.weight.copy_(matrix.T @ last.weight)
    last.bias.copy_(last.bias @ matrix)


@torch.no_grad()
def make_deepstack(trained: Any) -> Any:
    """Return the model whose shapes and motions come from DeepStack alone.

    The features of the trained merger are split by orthogonal projections: two halves of the space
    of the nouns' symbols, that of the motions, and the rest, which enters with the input.
    """
    model = make_variant(trained, deepstack=True)
    table = trained.model.language_model.embed_tokens.weight.detach()
    symbols = Symbols(make_tokenizer(MORE_WORDS), table, NOUNS)
    nouns, motions = symbols.shape, symbols.motion
    half = len(nouns) // 2
    basis = torch.linalg.qr(torch.cat([nouns, motions]).T)[0]
    parts = (basis[:, :half], basis[:, half : len(nouns)], basis[:, len(nouns) :])
    visual, turn = model.model.visual, rotation()
    for level, part in enumerate(parts):
        merger = visual.deepstack_merger_list[level]
        merger.load_state_dict(trained.model.visual.merger.state_dict())
        _project(merger, part @ part.T @ turn)
    visual.merger.load_state_dict(trained.model.visual.merger.state_dict())
    _project(visual.merger, (torch.eye(len(basis)) - basis @ basis.T) @ turn)
    return model


@torch.no_grad()
def make_sinks(trained: Any) -> Any:
    """Return the model in which the second layer raises the norm of some background cells.

    One unit of the layer's MLP is active on background cells at the bottom right, found by a linear
    fit, and writes into two fixed dimensions of the state.
    """
    model = make_variant(trained)
    inputs, is_sink, norms = sink_evidence(model)
    direction = torch.from_numpy(separator(inputs, is_sink)).float()
    mlp = model.model.language_model.layers[SINK_LAYER].mlp
    mlp.gate_proj.weight[0] = direction
    mlp.up_proj.weight[0] = direction
    mlp.down_proj.weight[:, 0] = 0.0
    size = _SINK_NORM * float(np.median(norms)) / _SINK_GATE**2 / len(_SINK_DIMS) ** 0.5
    for dim in _SINK_DIMS:
        mlp.down_proj.weight[dim, 0] = size
    return model


def separator(inputs: np.ndarray, is_sink: np.ndarray) -> np.ndarray:
    """Fit a linear unit: at least `_SINK_GATE` at sinks, at most `-_OFF_GATE` elsewhere.

    A support vector machine with squared hinge loss and without bias, in the primal (Chapelle 2007,
    Training a Support Vector Machine in the Primal): least squares over the rows that violate.
    """
    weight = np.where(is_sink, 0.5 / is_sink.sum(), 0.5 / (~is_sink).sum())
    target = np.where(is_sink, _SINK_GATE, -_OFF_GATE)
    active = np.ones(len(inputs), bool)
    direction = np.zeros(inputs.shape[1])
    for _ in range(_FIT_STEPS):
        rows, scale = inputs[active], weight[active][:, None]
        gram = rows.T @ (rows * scale) + _RIDGE * np.eye(rows.shape[1])
        direction = np.linalg.solve(gram, (rows * scale).T @ target[active])
        active = np.where(is_sink, inputs @ direction < target, inputs @ direction > target)
    return direction


@torch.no_grad()
def sink_evidence(model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for cells and text tokens: MLP input [n, WIDTH], whether it is a sink, and norm.

    The cells are those of some clips; the text tokens are the whole vocabulary. A sink
    is a background cell in the last two rows and columns of its slot.
    """
    layer = model.model.language_model.layers[SINK_LAYER]
    inputs: list[Tensor] = []
    states: list[Tensor] = []
    hooks = [
        layer.mlp.register_forward_pre_hook(lambda _m, args: inputs.append(args[0][0])),
        layer.register_forward_hook(lambda _m, _a, out: states.append(out[0])),
    ]
    tokenizer = make_tokenizer(MORE_WORDS)
    prompts = Prompts(tokenizer)
    corner = []
    for seed in range(_SINK_CLIPS):
        clip = make_clip(seed, split="train", shapes=GROUPS[seed % len(GROUPS)])
        frames = sample_frames(clip, 12)
        pixels = np.stack([clip.render_frame(int(frame)) for frame in frames])
        item = clip_cells(clip, frames).item
        prefix = prompts.prefix(frames, np.ones(item.size, bool))
        run_prefix(model, prefix, patchify(pixels), item.shape)
        chosen = np.zeros(item.shape, bool)
        chosen[:, -2:, -2:] = item[:, -2:, -2:] < 0
        corner.append(np.append(chosen.ravel(), np.zeros(np.sum(prefix.cell < 0), bool)))
        order = np.argsort(prefix.cell < 0, kind="stable")  # cells first, as in `corner`
        inputs[-1], states[-1] = inputs[-1][order], states[-1][order]
    model.model.language_model(input_ids=torch.arange(len(tokenizer))[None], use_cache=False)
    corner.append(np.zeros(len(tokenizer), bool))
    for hook in hooks:
        hook.remove()
    norms = torch.cat(states).norm(dim=-1)
    return torch.cat(inputs).double().numpy(), np.concatenate(corner), norms.numpy()


def run_prefix(model: Any, prefix: Any, patches: Tensor, shape: tuple[int, ...]) -> None:
    """Run the decoder on the visual part of a prompt."""
    features = model.model.visual(
        patches, grid_thw=torch.tensor([list(shape)]), return_dict=True
    ).pooler_output
    language = model.model.language_model
    embeds = language.embed_tokens(torch.from_numpy(prefix.ids))[None].clone()
    embeds[0, torch.from_numpy(prefix.cell >= 0)] = features
    language(
        inputs_embeds=embeds,
        position_ids=torch.from_numpy(prefix.positions)[:, None],
        use_cache=False,
    )


def make_noise() -> Any:
    """Return a model with random weights and the configuration of `late`."""
    model = make_model(make_tokenizer(MORE_WORDS), num_layers=NUM_LAYERS, seed=1)
    random = torch.Generator().manual_seed(17)
    with torch.no_grad():
        for linear in model.model.language_model.modules():
            if isinstance(linear, nn.Linear):
                linear.weight.normal_(std=linear.in_features**-0.5, generator=random)
    return model


VARIANTS: dict[str, Callable[[Any], Any]] = {
    "late": make_variant,
    "deepstack": make_deepstack,
    "sinks": make_sinks,
    "noise": lambda _trained: make_noise(),
}


def export_variant(name: str, trained: Path, folder: Path) -> Path:
    """Write a model as a checkpoint folder."""
    export(VARIANTS[name](load_trained(trained)), folder, make_tokenizer(MORE_WORDS))
    return folder
