"""Weights replaced by noise for a while, from the top of the decoder down.

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
def randomised_layers(model: Any, num_layers_from_top: int, *, seed: int = 0) -> Iterator[None]:
    """Replace the weights of the top decoder layers by noise; put them back bit for bit at the end.

    Every tensor is drawn anew from a normal distribution of its own mean and deviation, so that
    activations keep their size. The noise of a layer does not depend on how many others are
    replaced. Source: Adebayo et al., NeurIPS 2018, arXiv:1810.03292, cascading randomisation.
    Differs: the cascade starts below the final norm and `lm_head`, which are often tied to the
    input embedding.

    Args:
        model: a transformers generation model; not to be used elsewhere meanwhile.
        num_layers_from_top: how many, 0 for none.
        seed: of the noise.

    Raises:
        ConfigError: the decoder has fewer layers, or a weight is quantised.
        ModelError: a weight is offloaded.
    """
    layers = list(find_decoder(model).layers)
    if not 0 <= num_layers_from_top <= len(layers):
        raise ConfigError(
            f"can't randomise {num_layers_from_top} layers",
            hint=f"the model has {len(layers)} decoder layers",
        )
    first = len(layers) - num_layers_from_top
    chosen = [
        (number, place, weight)
        for number in range(first, len(layers))
        for place, weight in enumerate(layers[number].parameters())
    ]
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


def _noise(weight: Tensor, entropy: list[int]) -> Tensor:
    """float32 on the CPU: normal noise with the mean and the deviation of a weight."""
    import torch

    values = weight.detach().float()
    spread = float(values.std(correction=0))
    state = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)
    generator = torch.Generator().manual_seed(state)
    return torch.randn(values.shape, generator=generator) * spread + float(values.mean())
