"""Make the pictures of the everyday pipelines: `python samples/make_pipeline_pictures.py`.

Runs their presets on the sample clips. Needs Chromium and `pip install playwright`.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from pathlib import Path

from make_pictures import keep, keep_frame
from PIL import Image
from playwright.sync_api import sync_playwright

from tam_video.pipelines.base import PipelineResult
from tam_video.pipelines.preset import load_pipeline, read_preset

SAMPLES = Path(__file__).parent
WINDOW = {"width": 1100, "height": 840}


def run(preset: str, output: Path, **overrides: object) -> PipelineResult:
    """Run a preset of the checkout."""
    given = {"output": str(output), **overrides}
    options = read_preset(SAMPLES.parent / "pipelines" / f"{preset}.toml", overrides=given)
    return load_pipeline(options.pipeline).from_options(options).run()


def page_picture(page_path: Path) -> Image.Image:
    """A page as the browser shows it."""
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=WINDOW, color_scheme="light")
        page.goto(page_path.as_uri())
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        browser.close()
    return picture


def main() -> None:
    """Run the pipelines, keep pages and a frame."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        asked = {
            "inputs": [str(SAMPLES / name) for name in ("shapes.mp4", "three_shapes.mp4")],
            "questions": ["Describe the video.", "How many objects are there?"],
        }
        keep(
            page_picture(run("video_qa", folder / "questions", **asked).opens), "pipeline-video-qa"
        )
        look = {
            "inputs": [str(SAMPLES / "three_shapes.mp4")],
            "run.layout": "side",
            "run.show_word": "green",
            "run.contours": True,
        }
        clip = run("annotated_clip", folder / "clips", **look).opens
        keep_frame(clip, "pipeline-annotated-clip", 0.3)
        watched = {
            "inputs": asked["inputs"],
            "questions": [
                {"name": "what", "ask": "Describe the video.", "pattern": "moves"},
                {"name": "triangle", "ask": "Is there a purple triangle?", "yes_probability": 0.6},
            ],
        }
        alerts = run("surveillance", folder / "cameras", **watched).opens
        keep(page_picture(alerts), "pipeline-surveillance")


if __name__ == "__main__":
    main()
