"""What every suite may use: this folder is importable, and odd clips are made on demand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lookalikes import Lookalikes
from odd_clips import ClipFolder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipFolder:
    """Odd clips and bad files by name, each made once a session: `clips.path("rot90")`."""
    return ClipFolder(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def lookalikes(tmp_path_factory: pytest.TempPathFactory) -> Lookalikes:
    """Small folders in the layouts of public sets: `lookalikes.folder("davis")`."""
    return Lookalikes(tmp_path_factory.mktemp("lookalikes"))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """As workers run: sums of several threads differ in the last bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
