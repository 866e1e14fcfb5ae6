"""Write a contact sheet as PNG (with Pillow), or as PDF or SVG (with matplotlib).

All three draw the same items at the same positions in the same fonts. PDF and SVG contain text.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tam_video.errors import optional_import
from tam_video.render.fonts import FontStack
from tam_video.render.text_drawing import Anchor, line_runs, write_line
from tam_video.render.theme import WHITE, Color
from tam_video.types import ByteArray
from tam_video.video.muxing import replacing
from tam_video.workspace.files import wrap_os_errors

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

_DPI = 100  # pixels of the sheet to an inch of the page


@dataclass(frozen=True, slots=True, eq=False)
class SheetText:
    """One line of text. `x` is its left end, centre or right end in pixels, as `anchor` says."""

    x: float
    baseline: float
    text: str
    fonts: FontStack
    color: Color
    anchor: Anchor = "left"


@dataclass(frozen=True, slots=True, eq=False)
class SheetPicture:
    """A picture, uint8 [H, W, 3], and the position of its upper left corner in pixels."""

    x: int
    y: int
    rgb: ByteArray


SheetItem: TypeAlias = SheetText | SheetPicture


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A white page with a size in pixels, and the items to draw on it, in drawing order."""

    width: int
    height: int
    items: tuple[SheetItem, ...]


def write_sheets(sheet: Sheet, paths: Sequence[Path]) -> None:
    """Write a sheet to each path atomically. The suffix, `.png`, `.pdf` or `.svg`, sets the format.

    Raises:
        ExportError: a file can't be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        properties = cache(partial(_font_properties, Path(folder)))
        for path in paths:
            kind = path.suffix.removeprefix(".")
            with wrap_os_errors(path), replacing(path) as temporary:
                if kind == "png":
                    _write_png(sheet, temporary)
                else:
                    _write_vectors(sheet, temporary, kind, properties)


def check_libraries(kinds: tuple[str, ...]) -> None:
    """Raise an error if a library for one of the requested formats is not installed.

    Raises:
        MissingDependencyError: PDF or SVG without matplotlib.
    """
    if not {"pdf", "svg"} & set(kinds):
        return
    needs = "PDF and SVG sheets need matplotlib and brotli"
    with optional_import(needs, install="'tam-video[plots]'"):
        import brotli  # noqa: F401 - shipped fonts are compressed with it
        import matplotlib  # noqa: F401


def _write_png(sheet: Sheet, path: Path) -> None:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (sheet.width, sheet.height), WHITE)
    draw = ImageDraw.Draw(picture)
    for item in sheet.items:
        if isinstance(item, SheetPicture):
            picture.paste(Image.fromarray(item.rgb), (item.x, item.y))
        else:
            position, fill = (item.x, item.baseline), item.color
            write_line(draw, item.text, position, fonts=item.fonts, fill=fill, anchor=item.anchor)
    picture.save(path, "PNG", optimize=True)


def _write_vectors(
    sheet: Sheet, path: Path, kind: str, properties: Callable[[Path], FontProperties]
) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "tam-video",  # the same sheet, the same bytes
        "pdf.fonttype": 42,
    }
    figure = Figure(figsize=(sheet.width / _DPI, sheet.height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    with mpl.rc_context(settings):
        for item in sheet.items:
            if isinstance(item, SheetPicture):
                height, width = item.rgb.shape[:2]
                extent = (item.x, item.x + width, item.y + height, item.y)
                axes.imshow(item.rgb, extent=extent, interpolation="none", aspect="auto")
            else:
                for run in line_runs(item.text, item.x, fonts=item.fonts, anchor=item.anchor):
                    axes.text(
                        run.x,
                        item.baseline,
                        run.text,
                        color=[each / 255 for each in item.color],
                        fontproperties=properties(Path(str(run.font.path))),
                        fontsize=item.fonts.size_px * 72 / _DPI,
                        parse_math=False,
                    )
        axes.set(xlim=(0, sheet.width), ylim=(sheet.height, 0))
        date = "CreationDate" if kind == "pdf" else "Date"
        figure.savefig(path, format=kind, metadata={date: None})


def _font_properties(folder: Path, path: Path) -> FontProperties:
    """Return a font for matplotlib. A compressed font file is unpacked into `folder`."""
    from matplotlib.font_manager import FontProperties

    if path.suffix == ".woff2":
        from fontTools.ttLib import TTFont

        with TTFont(path) as font:
            path = folder / f"{path.stem}.ttf"
            font.flavor = None
            font.save(path)
    return FontProperties(fname=str(path))
