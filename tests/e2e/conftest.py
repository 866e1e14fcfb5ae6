"""A real browser, and the runs that it looks at."""

from __future__ import annotations

import shutil

import pytest
from report_runs import SAMPLE, make_explanation
from report_serving import serving

from tam_video.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium of the system."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, "no Chromium: apt-get install chromium"
    with sync_playwright() as tool:
        opened = tool.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def reported(tmp_path_factory):
    """A folder of two runs with reports: `one` (a clip) and `two` (a clip and a picture)."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("reported")
    picture = folder / "plan.png"
    Image.new("RGB", (160, 100), (90, 120, 150)).save(picture)
    make_explanation().save(folder / "runs" / "one")
    make_explanation(others=[picture]).save(folder / "runs" / "two")
    for name in ("one", "two"):
        write_report(folder / "runs" / name)
    write_report(folder / "runs" / "one", single_file=True)
    assert SAMPLE.is_file()
    return folder / "runs"


@pytest.fixture(scope="session")
def served(reported):
    with serving(reported) as result:
        yield result
