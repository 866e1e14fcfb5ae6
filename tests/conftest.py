"""Fixtures of every suite, and the tests that this machine can run.

Tests that need something that is not here (the marks `shared` and `browser`) are deselected, and
their number is printed. With REQUIRE_ALL_TESTS=1 they run, and fail.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from lookalikes import Lookalikes
from odd_clips import ClipFolder

# No deadlines: how long an example takes depends on the machine, and says nothing about the code.
settings.register_profile("random", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "random"))

SHARED = Path(__file__).parents[2] / "shared"
NEEDS = {
    "shared": ("files beside the checkout (../shared)", SHARED.is_dir()),
    "browser": ("Chromium", bool(shutil.which("chromium") or shutil.which("chromium-browser"))),
}
"""Mark -> what its tests need, and whether it is here."""


def pytest_configure(config: pytest.Config) -> None:
    """Let tests call the FFmpeg that comes with imageio-ffmpeg as `ffmpeg`."""
    folder = tempfile.mkdtemp(prefix="ffmpeg.")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    (Path(folder) / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    os.environ["TAM_VIDEO_DATA"] = str(Path(folder, "data"))  # for fixtures of a session or module


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that need what is not here."""
    if os.environ.get("REQUIRE_ALL_TESTS") == "1":
        return
    missing = {mark for mark, (_, is_here) in NEEDS.items() if not is_here}
    kept, deselected = [], []
    for item in items:
        needed = {mark for mark in missing if needs(item, mark)}
        (deselected if needed else kept).append(item)
    if deselected:
        items[:] = kept
        config.hook.pytest_deselected(items=deselected)
    config.stash[COUNTS] = {
        mark: sum(needs(item, mark) for item in deselected) for mark in sorted(missing)
    }
    if hasattr(config, "workeroutput"):  # a worker of pytest-xdist
        config.workeroutput["deselected"] = config.stash[COUNTS]


def needs(item: pytest.Item, mark: str) -> bool:
    """Whether a test has a mark, or uses the fixture of that name."""
    return item.get_closest_marker(mark) is not None or mark in getattr(item, "fixturenames", ())


COUNTS: pytest.StashKey[dict[str, int]] = pytest.StashKey()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take the counts of a worker of pytest-xdist; all of them collect the same tests."""
    counts = getattr(node, "workeroutput", {}).get("deselected")
    if counts is not None:
        node.config.stash[COUNTS] = counts


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print how many tests were deselected for want of what."""
    for mark, count in config.stash.get(COUNTS, {}).items():
        if count:
            terminalreporter.write_line(f"{count} tests not run: they need {NEEDS[mark][0]}")


@pytest.fixture(autouse=True)
def data_folder(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Path:
    """The user's data folder of one test, empty: profiles of the user or of other tests are away.

    It does not exist before something is stored.
    """
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    folder = tmp_path_factory.getbasetemp() / "data" / digest
    monkeypatch.setenv("TAM_VIDEO_DATA", str(folder))
    return folder


@pytest.fixture
def three_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave only three calibration worlds: with all eight a calibration takes a minute."""
    from tam_video.calibration.worlds import CALIBRATION_WORLDS

    for name in set(CALIBRATION_WORLDS) - {"shapes", "pictograms", "signs"}:
        monkeypatch.delitem(CALIBRATION_WORLDS, name)


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
