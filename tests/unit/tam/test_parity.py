"""Compare the reference profile with outputs of the public code and with golden files."""

from pathlib import Path

import numpy as np
import pytest
import reference_steps

from tam_video.tam import token_activation_maps

SHARED = Path(__file__).parents[3] / "../shared/golden"
CASES = [
    *(
        pytest.param(path, id=path.stem)
        for path in sorted(reference_steps.GOLDEN.glob("tam_*.npz"))
    ),
    *(
        pytest.param(path, id=path.stem, marks=pytest.mark.shared)
        for path in sorted(SHARED.glob("*.npz"))
    ),
]


@pytest.fixture(scope="module")
def explain():
    def run(path):
        with np.load(path, allow_pickle=False) as file:
            expected = dict(file)
        maps = token_activation_maps(
            expected["scores"],
            visual_positions=expected["visual_positions"],
            text_positions=expected["text_positions"],
            token_strings=expected["token_strings"].tolist(),
            num_prompt_tokens=int(expected["num_prompt_tokens"]),
            grid=tuple(expected["grid"].tolist()),
            profile="reference",
        )
        return expected, maps

    return run


@pytest.mark.parametrize("path", CASES)
def test_reference_profile_matches_published_maps(path, explain):
    expected, got = explain(path)

    for name in ("raw", "corrected"):
        largest = expected[name].max(axis=1, keepdims=True)
        error = np.abs(getattr(got, name) - expected[name])
        assert (error <= 1e-4 * largest).all()
    assert (np.abs(255 * got.maps.astype(float) - expected["maps_u8"]) < 1).all()


@pytest.mark.parametrize("path", CASES)
def test_reference_profile_truncates_to_published_bytes(path, explain):
    expected, got = explain(path)

    np.testing.assert_array_equal((got.maps * 255).astype(np.uint8), expected["maps_u8"])


def test_golden_files_hold_the_hard_cases():
    with np.load(reference_steps.GOLDEN / "tam_video.npz") as file:
        assert not file["maps_u8"][2, 1].any()
        assert file["corrected"][2].any()
        assert not file["raw"][5].any()
        assert len(set(file["token_strings"].tolist())) < len(file["token_strings"])
