from __future__ import annotations

import pytest

from tam_video.errors import ConfigError
from tam_video.models import GenerationOptions
from tam_video.models.capture import resolve_layer


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_new_tokens": 0},
        {"num_candidates": -1},
        {"top_k": -1},
        {"temperature": 0.0},
        {"top_p": 0.0},
        {"top_p": 1.5},
    ],
)
def test_options_out_of_range_are_programming_mistakes(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|is 1 or more"):
        GenerationOptions(**wrong)


def test_layers_count_from_both_ends() -> None:
    assert [resolve_layer(layer, num_layers=4) for layer in (0, 3, -1, -4)] == [0, 3, 3, 0]


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_out_of_range_is_a_config_error(layer: int) -> None:
    with pytest.raises(ConfigError, match="4 decoder layers"):
        resolve_layer(layer, num_layers=4)
