"""Compare the maps of the profiles with those before the options were reduced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from profile_cases import GOLDEN, LAYOUTS, profile_case

from tam_video.tam.activation import activate
from tam_video.tam.motion import GridFlow, SlotMotion, input_motions
from tam_video.tam.options import ActivationOptions

UNFILTERED = {"rank_filter": False, "gaussian_sigma_slots": 0.5}
CASES: dict[str, dict[str, Any]] = {
    "default": {"profile": "default"},
    "published": {"profile": "published"},
    "reference": {"profile": "reference"},
    "agreement": {"options": ActivationOptions(correction="agreement", **UNFILTERED)},
    "agreement_capped": {
        "options": ActivationOptions(correction="agreement", content_cap=1.5, **UNFILTERED)
    },
    "published_smooth": {"options": ActivationOptions(gaussian_sigma_slots=1.2)},
    "content_filtered": {
        "options": ActivationOptions(correction="content", gaussian_sigma_slots=2.0)
    },
    "weighted": {
        "options": ActivationOptions(
            correction="content", content_cap=1.0, layer_weights=(0.5, 1.0, 0.0, 2.0), **UNFILTERED
        )
    },
}
# All values are equal to the last bit on the machine that wrote them. Another BLAS may sum matrix
# products in another order, which changes the last bits.
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_maps_equal_the_golden_maps(name: str, golden: dict[str, np.ndarray]) -> None:
    _, generation = profile_case()
    motions = [
        SlotMotion(GridFlow(*golden[f"flow_{k}"], golden[f"in_picture_{k}"]), golden[f"cuts_{k}"])
        for k in range(len(LAYOUTS))
    ]

    inputs = activate(generation, motions=motions, **CASES[name])

    for k, each in enumerate(inputs):
        np.testing.assert_allclose(each.maps, golden[f"{name}_{k}"], rtol=0, atol=ROUNDING)
        np.testing.assert_allclose(each.text_scores, golden[f"{name}_text"], rtol=0, atol=ROUNDING)
        if f"{name}_corrected_{k}" in golden:
            np.testing.assert_allclose(
                each.corrected, golden[f"{name}_corrected_{k}"], rtol=0, atol=ROUNDING
            )


def test_motion_equals_the_golden_motion(golden: dict[str, np.ndarray]) -> None:
    for k, motion in enumerate(input_motions(*profile_case())):
        np.testing.assert_array_equal(motion.cuts, golden[f"cuts_{k}"])
        np.testing.assert_array_equal(motion.flow.in_picture, golden[f"in_picture_{k}"])
        flow = np.stack([motion.flow.forward, motion.flow.backward])
        # Across the cut there is no true flow; OpenCV builds may differ there.
        pairs = ~motion.cuts
        np.testing.assert_allclose(flow[:, pairs], golden[f"flow_{k}"][:, pairs], rtol=0, atol=0.05)
