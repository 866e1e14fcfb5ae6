from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tam_video.errors import ConfigError
from tam_video.methods.perturbation import Occlusion, tiles


def scale(falls: np.ndarray) -> np.ndarray:
    low, high = falls.min(axis=1, keepdims=True), falls.max(axis=1, keepdims=True)
    return (falls - low) / (high - low)


def test_occlusion_of_single_cells_finds_the_weights_of_a_linear_model(probe: Any) -> None:
    result = Occlusion(block=(1, 1, 1)).explain(probe)
    answer = np.concatenate([part[2:].reshape(3, -1) for part in result.maps], axis=1)
    np.testing.assert_allclose(answer, scale(np.maximum(probe.weights, 0)), atol=1e-6)
    assert result.cost.forward == 1 + 24 + 4


def test_cells_of_a_block_share_its_fall(probe: Any) -> None:
    first, second = Occlusion(block=(2, 2, 3)).explain(probe).maps
    for part in (first[:, :, :2, :3], first[:, :, :2, 3:], first[:, :, 2:, :3], second):
        flat = part.reshape(5, -1)
        np.testing.assert_array_equal(flat, flat[:, :1].repeat(flat.shape[1], axis=1))


def test_each_mask_hides_one_block_of_one_input(probe: Any) -> None:
    Occlusion(block=(1, 2, 2)).explain(probe)
    numbers = [number for number, _ in probe.masks]
    assert numbers == [0, 0, 1]  # the whole video, then each input
    for _, keep in probe.masks[1:]:
        hidden = ~keep
        np.testing.assert_array_equal(hidden.sum(axis=0), np.ones(keep.shape[1:]))


def test_progress_ends_with_the_number_of_blocks(probe: Any) -> None:
    calls: list[tuple[int, int]] = []
    Occlusion(block=(1, 3, 4), progress=lambda done, total: calls.append((done, total))).explain(
        probe
    )
    assert calls == [(2, 3), (3, 3)]


@pytest.mark.parametrize("block", [(1, 1, 1), (2, 2, 2), (9, 9, 9), (1, 3, 2)])
def test_tiles_cover_every_cell_once(block: tuple[int, int, int]) -> None:
    count = np.zeros((2, 5, 4), dtype=int)
    for tile in tiles((2, 5, 4), block):
        count[tile] += 1
    assert (count == 1).all()


@pytest.mark.parametrize("options", [{"block": (0, 1, 1)}, {"batch_size": 0}])
def test_sizes_below_1_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Occlusion(**options)
