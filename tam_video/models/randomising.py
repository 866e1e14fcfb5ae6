"""Weights replaced by noise for a while, from the top of the decoder down to the whole model.

What the cascade of sanity checks needs: a map that stays the same shows nothing.
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
    """Replace the weights of the top decoder layers by noise; put them back bit for bit at the end.

    Every tensor is drawn anew from a normal distribution of its own mean and deviation, so that
    activations keep their size. The noise of a layer does not depend on how many others are
    replaced. Source: Adebayo et al., NeurIPS 2018, arXiv:1810.03292, cascading randomisation.
    Differs: the cascade starts below the final norm and `lm_head`, which are often tied to the
    input embedding; they come last, with the vision tower. A decoder of noise alone may keep much
    of a map, for what the tower gave passes by its layers on the residual stream.

    Args:
        model: a transformers generation model; not to be used elsewhere meanwhile.
        num_layers_from_top: how many, 0 for none; None for every weight of the model, vision tower
            and embeddings included.
        seed: of the noise.

    Raises:
        ConfigError: the decoder has fewer layers, or a weight is quantised.
        ModelError: a weight is offloaded.
    """
    chosen = _chosen_weights(model, num_layers_from_top)
    for _, _, weight in chosen:
        if weight.is_meta:
            raise ModelError("a weight is offloaded", hint="load the model without device_map")
        if not weight.is_floating_point():
            raise ConfigError("the weights are quantised", hint="load the model unquantised")
    originals = [weight.detach().cpu().clone() for _, _, weight in chosen]
    try:
        for number, place, weight in chosen:
            weight.data.copy_(_noise(weight, [seed, number, place]))
        yield
    finally:
        for (_, _, weight), original in zip(chosen, originals, strict=True):
            weight.data.copy_(original)


def _chosen_weights(model: Any, num_layers_from_top: int | None) -> list[tuple[int, int, Tensor]]:
    """Part of the model, place in it, and weight, each weight once; layers by their number."""
    layers = list(find_decoder(model).layers)
    count = len(layers) if num_layers_from_top is None else num_layers_from_top
    if not 0 <= count <= len(layers):
        raise ConfigError(
            f"can't randomise {count} layers", hint=f"the model has {len(layers)} decoder layers"
        )
    chosen = [
        (number, place, weight)
        for number in range(len(layers) - count, len(layers))
        for place, weight in enumerate(layers[number].parameters())
    ]
    if num_layers_from_top is not None:
        return chosen
    in_layers = {id(weight) for _, _, weight in chosen}
    others = [weight for weight in model.parameters() if id(weight) not in in_layers]
    return [*chosen, *((len(layers), place, weight) for place, weight in enumerate(others))]


def _noise(weight: Tensor, entropy: list[int]) -> Tensor:
    """float32 on the CPU: normal noise with the mean and the deviation of a weight."""
    import torch

    values = weight.detach().float()
    spread = float(values.std(correction=0))
    state = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
    generator = torch.Generator().manual_seed(state)
    return torch.randn(values.shape, generator=generator) * spread + float(values.mean())
