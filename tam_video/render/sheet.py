"""A contact sheet as plain items, and its writers: PNG by Pillow, PDF and SVG by matplotlib.

All three draw the same items at the same places in the same fonts. Text stays text in PDF and SVG.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tam_video.errors import ExportError, MissingDependencyError
from tam_video.render.fonts import FontStack
from tam_video.render.text_drawing import place_pieces
from tam_video.render.text_layout import Piece, direction_of, one_line, split_pieces
from tam_video.render.theme import WHITE, Color
from tam_video.types import ByteArray
from tam_video.video.muxing import replacing

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import Rectangle

Anchor: TypeAlias = Literal["left", "middle", "right"]

_DPI = 100  # pixels of the sheet to an inch of the page


@dataclass(frozen=True, slots=True, eq=False)
class SheetText:
    """One line of text: where its baseline starts, is centred or ends, in pixels."""

    x: float
    baseline: float
    text: str
    fonts: FontStack
    color: Color
    anchor: Anchor = "left"


@dataclass(frozen=True, slots=True, eq=False)
class SheetPicture:
    """A picture, uint8 [H, W, 3], and the place of its upper left corner in pixels."""

    x: int
    y: int
    rgb: ByteArray


@dataclass(frozen=True, slots=True)
class SheetFrame:
    """An outline of a colour around a place (x, y, width, height), in pixels."""

    place: tuple[int, int, int, int]
    color: Color
    width_px: int = 3


SheetItem: TypeAlias = SheetText | SheetPicture | SheetFrame


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A white page of a size in pixels, and what is on it, drawn in this order."""

    width: int
    height: int
    items: tuple[SheetItem, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A stretch of text that one font draws, and where its left end stands."""

    x: float
    text: str
    font_path: str


def write_sheets(sheet: Sheet, paths: Sequence[Path]) -> None:
    """Write a sheet in one or more formats; a file appears only when it is complete.

    Args:
        sheet: what is drawn.
        paths: the files to write; a suffix, `.png`, `.pdf` or `.svg`, says the format.

    Raises:
        ExportError: a file can't be written.
        MissingDependencyError: PDF or SVG without matplotlib.
    """
    check_libraries(tuple(path.suffix.removeprefix(".") for path in paths))
    with tempfile.TemporaryDirectory() as folder:
        fonts = _PlainFonts(Path(folder))
        for path in paths:
            kind = path.suffix.removeprefix(".")
            try:
                with replacing(path) as partial:
                    if kind == "png":
                        _write_png(sheet, partial)
                    else:
                        _write_vectors(sheet, partial, kind, fonts)
            except OSError as error:
                raise ExportError(
                    f"cannot write {path.name}: {error}", hint="check that the folder is writable"
                ) from error


def check_libraries(kinds: tuple[str, ...]) -> None:
    """Tell before the work begins whether a kind of sheet can be written.

    Raises:
        MissingDependencyError: PDF or SVG without matplotlib.
    """
    if not {"pdf", "svg"} & set(kinds):
        return
    try:
        import brotli  # noqa: F401 - shipped fonts are compressed with it
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise MissingDependencyError(
            "PDF and SVG sheets need matplotlib and brotli", hint="pip install 'tam-video[plots]'"
        ) from exc


def _runs(item: SheetText) -> Iterator[_Run]:
    """Stretches of one font; a line that runs to the right throughout stays in one piece."""
    text = one_line(item.text)
    line = split_pieces(text)
    if not any(direction_of(piece.text) == "R" for piece in line):
        line = [Piece(text, 0, len(text))]
    length = sum(item.fonts.length(piece.text) for piece in line)
    share = {"left": 0.0, "middle": 0.5, "right": 1.0}[item.anchor]
    left = item.x - share * length
    for placed in place_pieces(
        line, text=item.text, fonts=item.fonts, left=left, right=left + length
    ):
        x = placed.x
        for text, font in item.fonts.runs(placed.piece.text):
            yield _Run(x, text, str(font.path))
            x += font.getlength(text)


def _write_png(sheet: Sheet, path: Path) -> None:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (sheet.width, sheet.height), WHITE)
    draw = ImageDraw.Draw(picture)
    for item in sheet.items:
        if isinstance(item, SheetPicture):
            picture.paste(Image.fromarray(item.rgb), (item.x, item.y))
        elif isinstance(item, SheetFrame):
            x, y, width, height = item.place
            box = (x, y, x + width - 1, y + height - 1)
            draw.rectangle(box, outline=item.color, width=item.width_px)
        else:
            fonts = {str(font.path): font for _, font in item.fonts.runs(one_line(item.text))}
            for run in _runs(item):
                place = (run.x, item.baseline)
                draw.text(place, run.text, fill=item.color, font=fonts[run.font_path], anchor="ls")
    picture.save(path, "PNG", optimize=True)


def _write_vectors(sheet: Sheet, path: Path, kind: str, fonts: _PlainFonts) -> None:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "tam-video",  # the same sheet, the same bytes
        "pdf.fonttype": 42,
        "image.composite_image": False,
    }
    figure = Figure(figsize=(sheet.width / _DPI, sheet.height / _DPI), dpi=_DPI)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, sheet.width), ylim=(sheet.height, 0))
    axes.set_axis_off()
    with mpl.rc_context(settings):
        for item in sheet.items:
            if isinstance(item, SheetPicture):
                height, width = item.rgb.shape[:2]
                extent = (item.x, item.x + width, item.y + height, item.y)
                axes.imshow(item.rgb, extent=extent, interpolation="none", aspect="auto")
            elif isinstance(item, SheetFrame):
                axes.add_patch(_outline(item))
            else:
                for run in _runs(item):
                    axes.text(
                        run.x,
                        item.baseline,
                        run.text,
                        color=_share(item.color),
                        fontproperties=fonts.properties(run.font_path),
                        fontsize=item.fonts.size_px * 72 / _DPI,
                        verticalalignment="baseline",
                        parse_math=False,
                    )
        axes.set(xlim=(0, sheet.width), ylim=(sheet.height, 0))
        date = "CreationDate" if kind == "pdf" else "Date"
        figure.savefig(path, format=kind, metadata={date: None})


def _outline(frame: SheetFrame) -> Rectangle:
    from matplotlib.patches import Rectangle

    x, y, width, height = frame.place
    line = frame.width_px
    return Rectangle(
        (x + line / 2, y + line / 2),
        width - line,
        height - line,
        fill=False,
        edgecolor=_share(frame.color),
        linewidth=line * 72 / _DPI,
    )


def _share(color: Color) -> tuple[float, float, float]:
    return color[0] / 255, color[1] / 255, color[2] / 255


class _PlainFonts:
    """Font files as matplotlib reads them: compressed ones are unpacked into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, FontProperties] = {}

    def properties(self, path: str) -> FontProperties:
        """What matplotlib calls a font file."""
        from matplotlib.font_manager import FontProperties

        if path not in self._known:
            self._known[path] = FontProperties(fname=str(self._plain(Path(path))))
        return self._known[path]

    def _plain(self, path: Path) -> Path:
        if path.suffix != ".woff2":
            return path
        from fontTools.ttLib import TTFont

        unpacked = self._folder / f"{path.stem}.ttf"
        with TTFont(path, lazy=True) as font:
            font.flavor = None
            font.save(unpacked)
        return unpacked
