"""Make the pictures of the report in docs/images: `python samples/make_report_pictures.py`.

Needs Chromium and `pip install playwright`.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import tam_video
from tam_video.report import find_runs, write_index, write_report

SAMPLES = Path(__file__).parent
IMAGES = SAMPLES.parent / "docs" / "images"
SHOTS = (  # name, page, width, height, colour scheme, clicks
    ("light", "shapes/report.html", 1240, 880, "light", ("ring",)),
    ("dark", "three_shapes/report.html", 1240, 880, "dark", ("circle", "#outline")),
    ("narrow", "shapes/report.html", 430, 1100, "light", ("triangle", "#box")),
    ("index", "index.html", 1100, 520, "light", ()),
)
MOST_BYTES = 150_000
LOW_WINDOW_PX = 620


def main() -> None:
    """Explain the samples, write their reports, take and shrink the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as tool:
        runs = Path(name) / "samples"
        for clip in sorted(SAMPLES.glob("*.mp4")):
            tam_video.explain(clip, "Describe the video.").save(runs / clip.stem)
            write_report(runs / clip.stem)
        write_index(find_runs(runs), runs / "index.html")
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"))
        for shot in SHOTS:
            print(take(browser, runs, *shot))
        browser.close()


def take(
    browser: Browser,
    runs: Path,
    name: str,
    page_name: str,
    width: int,
    height: int,
    scheme: str,
    clicks: tuple[str, ...],
) -> Path:
    """One picture of 256 colours, made smaller until it fits into the bytes."""
    window = {"width": width, "height": min(height, LOW_WINDOW_PX)}  # the clip's noise costs bytes
    page = browser.new_page(viewport=window, color_scheme=scheme)
    page.goto((runs / page_name).as_uri())
    page.wait_for_selector("html[data-ready]")
    for each in clicks:
        page.locator(each if each.startswith("#") else f'.word:text-is("{each}")').first.click()
    page.mouse.move(1, 1)
    page.wait_for_timeout(500)
    clip = {"x": 0, "y": 0, "width": width, "height": height}
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")
    page.close()
    path = IMAGES / f"report-{name}.png"
    for share in (1.0, 0.9, 0.8, 0.7, 0.6):
        size = (round(width * share), round(height * share))
        small = picture.resize(size, Image.Resampling.LANCZOS)
        colors = small.quantize(256, kmeans=2, dither=Image.Dither.NONE)  # rare colours count too
        colors.save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    return path


if __name__ == "__main__":
    main()
