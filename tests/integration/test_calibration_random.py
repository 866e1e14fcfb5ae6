"""A random-weight Qwen2.5-VL-3B with few layers: nothing can be measured, or trusted."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.random_checkpoint import Sizes, save_random_3b
from tam_video.calibration.run import calibrate_model
from tam_video.models import load_model
from tam_video.models.boundary import quiet

SHORT = Sizes(layers=2, vision_layers=2, divisor=8)
LONG = Sizes(layers=2, vision_layers=4)


@pytest.mark.usefixtures("three_worlds")
@pytest.mark.shared
@pytest.mark.parametrize(
    "sizes", [pytest.param(SHORT, id="narrow"), pytest.param(LONG, id="3b", marks=pytest.mark.slow)]
)
def test_a_model_with_random_weights_is_not_measurable_and_not_trusted(
    sizes: Sizes, tmp_path: Path
) -> None:
    with quiet():
        model = load_model(str(save_random_3b(tmp_path / "model", sizes)))
    automatic = calibrate_model(model, num_clips=10, folder=tmp_path / "evidence").profile
    assert automatic.verdict == "not-measurable"
    assert automatic.is_built_in
    assert max(automatic.worlds.values()) < 0.8
    forced = calibrate_model(
        model, worlds=["shapes"], num_clips=10, folder=tmp_path / "evidence"
    ).profile
    assert forced.verdict == "do-not-trust"
    assert forced.used_worlds == ("shapes",)
    assert forced.num_clips == (6, 4)
    assert np.isfinite([value for value in forced.curves["auc"] if value is not None]).all()
