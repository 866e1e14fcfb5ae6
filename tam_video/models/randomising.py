"""Temporarily replace the weights of the top decoder layers, or of the whole model, by noise.

For the cascading randomisation test: a map that does not change does not depend on the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tam_video.errors import ConfigError, ModelError
from tam_video.models.capture import find_decoder

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def randomised_layers(
    model: Any, num_layers_from_top: int | None, *, seed: int = 0
) -> Iterator[None]:
    """Replace the top decoder layers' weights by noise. The end of the block restores every bit.

    Every tensor is sampled from a normal distribution of its own mean and standard deviation, so
    that activations keep their scale. The noise of a layer does not depend on the number of layers
    replaced. Source: Adebayo et al., NeurIPS 2018, arXiv:1810.03292, cascading randomisation.
    Differs: the cascade starts below the final norm and `lm_head`, which are often tied to the
    input embedding; they come last, with the vision tower. With a random decoder alone a map may
    change little, because visual features bypass its layers through the residual stream.

    Args:
        model: a transformers generation model; not to be used elsewhere at the same time.
        num_layers_from_top: number of layers; None for every weight of the model, including vision
            tower and embeddings.
        seed: of the noise.
    """
    chosen = _chosen_weights(model, num_layers_from_top)
    for _, _, weight in chosen:
        if weight.is_meta:
            raise ModelError(
                "a weight is offloaded to CPU or disk", hint="load the model without device_map"
            )
        if not weight.is_floating_point():
            raise ConfigError(
                "the weights are quantised", hint="load the model without quantisation"
            )
    originals = [weight.detach().cpu().clone() for _, _, weight in chosen]
    try:
        for number, index, weight in chosen:
            weight.data.copy_(_noise(weight, [seed, number, index]))
        yield
    finally:
        for (_, _, weight), original in zip(chosen, originals, strict=True):
            weight.data.copy_(original)


def _chosen_weights(model: Any, num_layers_from_top: int | None) -> list[tuple[int, int, Tensor]]:
    """List the weights to replace as (layer number, index, weight)."""
    layers = list(find_decoder(model).layers)
    count = len(layers) if num_layers_from_top is None else num_layers_from_top
    if not 0 <= count <= len(layers):
        raise ConfigError(
            f"can't randomise {count} layers", hint=f"the model has {len(layers)} decoder layers"
        )
    chosen = [
        (number, index, weight)
        for number in range(len(layers) - count, len(layers))
        for index, weight in enumerate(layers[number].parameters())
    ]
    if num_layers_from_top is not None:
        return chosen
    in_layers = {id(weight) for _, _, weight in chosen}
    others = [weight for weight in model.parameters() if id(weight) not in in_layers]
    return [*chosen, *((len(layers), index, weight) for index, weight in enumerate(others))]


def _noise(weight: Tensor, entropy: list[int]) -> Tensor:
    """Sample float32 normal noise on the CPU, with a weight's mean and standard deviation."""
    import torch

    values = weight.detach().float()
    spread = float(values.std(correction=0))
    state = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
    generator = torch.Generator().manual_seed(state)
    return torch.randn(values.shape, generator=generator) * spread + float(values.mean())
