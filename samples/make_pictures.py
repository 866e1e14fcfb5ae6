"""Make the pictures of the layouts in docs/images: `python samples/make_pictures.py`.

The sample clips are explained by the embedded model; one frame of each layout is kept.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from tam_video import load_model
from tam_video.analysis import render_compared
from tam_video.config import RunConfig
from tam_video.render.options import RenderOptions
from tam_video.runs import explain_to_folder, render_run
from tam_video.video.reader import open_video

HERE = Path(__file__).parent
IMAGES = HERE.parent / "docs" / "images"
QUESTION = "Describe the video."
MAX_WIDTH_PX, MAX_BYTES, COLORS = 1200, 150_000, 256
# name -> (clip, options, moment as a share of the clip)
LAYOUTS = {
    "overlay": ("three_shapes", {"word": "green"}, 0.3),
    "side": ("three_shapes", {"word": "green", "contours": True, "boxes": True}, 0.3),
    "grid": ("shapes", {}, 0.9),
    "words": ("shapes", {"colormap": "inferno"}, 0.62),
}


def keep_frame(mp4: Path, name: str, share: float) -> None:
    """Keep one frame of a clip as a small PNG."""
    with open_video(mp4) as video:
        frame = video.read([int(share * (video.info.num_frames - 1))]).frames[0]
    keep(Image.fromarray(frame), name)


def keep(picture: Image.Image, name: str) -> None:
    """Write a picture with few colours, as large as the limit of bytes lets it be."""
    path = IMAGES / f"{name}.png"
    width = min(picture.width, MAX_WIDTH_PX)
    while True:
        size = (width, round(picture.height * width / picture.width))
        small = picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
        few = small.quantize(COLORS, kmeans=8, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size <= MAX_BYTES:
            break
        width = int(0.9 * width)
    print(path, size, path.stat().st_size)


def main() -> None:
    """Explain, draw every layout, keep a frame of each."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    model = load_model("tiny")
    with tempfile.TemporaryDirectory() as temporary:
        runs = Path(temporary)
        for name, layer in (("shapes", -1), ("three_shapes", -1), ("middle", 0.5)):
            clip = HERE / ("shapes.mp4" if name == "middle" else f"{name}.mp4")
            config = RunConfig(layer=layer, render=False)
            explain_to_folder(clip, runs / name, QUESTION, model=model, config=config)
        for name, (clip, options, share) in LAYOUTS.items():
            run = render_run(runs / clip, options=RenderOptions(layout=name, **options))
            keep_frame(run.files["video"], f"layout-{name}", share)
        stills = render_run(runs / "shapes", options=RenderOptions(stills=("png",)))
        keep(Image.open(stills.files["stills_png"]).convert("RGB"), "layout-stills")
        pair = [runs / "shapes", runs / "middle"]
        look = RenderOptions(show_word="purple")
        keep_frame(render_compared(pair, runs / "pair.mp4", options=look)[0], "layout-compare", 0.3)


if __name__ == "__main__":
    main()
