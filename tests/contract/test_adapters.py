"""The contract suite over every family, on random-weight instances of the real classes."""

from __future__ import annotations

from typing import Any

import pytest
from zoo import all_cases
from zoo.common import Case

from tam_video.models import load_model
from tam_video.models.boundary import quiet
from tam_video.testing import ModelContract


def _suite(name: str, case: Case) -> type:
    """The contract as a class of its own for one family."""

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls: type, tmp_path_factory: pytest.TempPathFactory) -> Any:
        with quiet():
            folder = case.save(tmp_path_factory.mktemp(name))
        return load_model(str(folder))

    return type(
        f"Test_{name}",
        (ModelContract,),
        {
            "__module__": __name__,
            "model": model,
            "clips": case.clips,
            "short_clips": case.short_clips,
            "shows_images": case.shows_images,
        },
    )


globals().update({f"Test_{name}": _suite(name, case) for name, case in all_cases().items()})
