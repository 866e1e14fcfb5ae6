"""The documented plug-in: found by its entry point, held to the same contract."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zoo import all_cases

from tam_video.models import FAMILIES, load_model
from tam_video.models.boundary import quiet
from tam_video.testing import ModelContract

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example as an installed distribution with an entry point."""
    site = tmp_path_factory.mktemp("site")
    (site / "my_adapter.py").write_text((EXAMPLES / "my_adapter.py").read_text())
    info = site / "my_adapter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-adapter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tam_video.models]\nmy_vl = my_adapter:MY_VL\n")
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))


@pytest.fixture(scope="module")
def model(installed: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForImageTextToText,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
    )

    class MyConfig(Qwen2VLConfig):
        model_type = "my_vl"

    class MyModel(Qwen2VLForConditionalGeneration):
        config_class = MyConfig

    AutoConfig.register("my_vl", MyConfig, exist_ok=True)
    AutoModelForImageTextToText.register(MyConfig, MyModel, exist_ok=True)
    torch.manual_seed(0)  # some random models answer with control tokens, which have no scores
    with quiet():
        network, processor = all_cases()["qwen2_vl"].build()
        mine = MyModel(MyConfig(**network.config.to_dict()))
        mine.load_state_dict(
            {k: v * (4 if v.ndim > 1 else 1) for k, v in network.state_dict().items()}
        )
        folder = tmp_path_factory.mktemp("my_vl")
        mine.save_pretrained(folder)
        processor.save_pretrained(folder)
    return load_model(str(folder))


def test_the_plugin_is_listed(installed: None) -> None:
    assert "my_vl" in FAMILIES.names()


class TestPlugin(ModelContract):
    shows_images = False
