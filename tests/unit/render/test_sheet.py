"""Contact sheets: the same items at the same positions in PNG, PDF and SVG."""

import io
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tam_video.errors import ExportError, MissingDependencyError
from tam_video.render.fonts import FontStack
from tam_video.render.sheet import Sheet, SheetPicture, SheetText, check_libraries, write_sheets

FONTS = FontStack(20)
RED, BLUE, GREEN = (200, 10, 20), (0, 0, 255), (51, 102, 204)
PT = 0.72  # points to a pixel at 100 pixels to an inch
SVG = "{http://www.w3.org/2000/svg}"


def picture(x, y, width, height, color=RED):
    return SheetPicture(x, y, np.full((height, width, 3), color, np.uint8))


def write(items, path, *, width=200, height=100):
    write_sheets(Sheet(width, height, tuple(items)), [path])
    return path


def png_of(items, folder):
    with Image.open(write(items, folder / "sheet.png")) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image).astype(int)


def svg_of(items, folder, **size):
    root = ElementTree.parse(write(items, folder / "sheet.svg", **size)).getroot()
    return root, list(root.iter(f"{SVG}text")), list(root.iter(f"{SVG}image"))


def ink(pixels):
    """Bounds of what is not white: left, top, right, bottom."""
    rows, columns = np.nonzero((pixels < 200).any(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_a_png_has_its_pictures_on_white_in_drawing_order(tmp_path):
    pixels = png_of([picture(10, 20, 40, 30), picture(30, 40, 40, 30, BLUE)], tmp_path)
    wanted = np.full((100, 200, 3), 255)
    wanted[20:50, 10:50] = RED
    wanted[40:70, 30:70] = BLUE
    np.testing.assert_array_equal(pixels, wanted)


@pytest.mark.parametrize(("anchor", "share"), [("left", 0.0), ("middle", 0.5), ("right", 1.0)])
def test_text_in_a_png_stands_on_its_baseline_at_its_anchor(tmp_path, anchor, share):
    pixels = png_of([SheetText(100, 60, "HH", FONTS, GREEN, anchor)], tmp_path)
    left, top, right, bottom = ink(pixels)
    start = 100 - share * FONTS.length("HH")
    assert bottom == 60
    assert 60 - 16 <= top <= 60 - 13  # an H has about 0.73 of the font size
    assert start <= left <= start + 3
    assert start + FONTS.length("HH") - 3 <= right <= start + FONTS.length("HH")
    assert (pixels == GREEN).all(axis=2).any()


def test_a_png_is_as_small_as_the_format_allows(tmp_path):
    ramp = np.add.outer(np.arange(100) // 2, np.arange(200)).astype(np.uint8)
    rgb = np.repeat(ramp[:, :, None], 3, axis=2)
    path = write([SheetPicture(0, 0, rgb)], tmp_path / "sheet.png")
    plain = io.BytesIO()
    Image.fromarray(rgb).save(plain, "PNG")
    assert path.stat().st_size < len(plain.getvalue())


def test_an_svg_has_a_hundred_pixels_to_an_inch(tmp_path):
    root, _, _ = svg_of([], tmp_path, width=300, height=150)
    assert (root.get("width"), root.get("height")) == ("216pt", "108pt")
    assert root.get("viewBox") == "0 0 216 108"


def test_an_svg_has_every_picture_at_its_position(tmp_path):
    _, _, images = svg_of([picture(10, 20, 40, 30), picture(120, 60, 20, 10)], tmp_path)
    assert [(each.get("width"), each.get("height")) for each in images] == [
        ("40", "30"),
        ("20", "10"),
    ]
    matrices = [
        [float(number) for number in re.findall(r"[\d.]+", each.get("transform"))]
        for each in images
    ]
    for (x, y), matrix in zip([(10, 20), (120, 60)], matrices, strict=True):
        assert matrix == pytest.approx([PT, 0, 0, PT, x * PT, y * PT])


def test_pictures_in_an_svg_keep_their_pixels_and_are_not_smoothed(tmp_path):
    import base64

    rgb = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    _, _, [image] = svg_of([SheetPicture(0, 0, rgb)], tmp_path)
    link = image.get("{http://www.w3.org/1999/xlink}href")
    data = base64.b64decode(link.removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(data)) as stored:
        np.testing.assert_array_equal(np.asarray(stored.convert("RGB")), rgb)
    assert "pixelated" in image.get("style")


def test_text_in_an_svg_is_text_with_the_position_size_and_colour_of_the_sheet(tmp_path):
    items = [
        SheetText(100, 50, "red $x^2$", FONTS, GREEN),
        SheetText(100, 80, "mid", FONTS, (255, 0, 0), "middle"),
    ]
    _, texts, _ = svg_of(items, tmp_path)
    assert [text.text for text in texts] == ["red $x^2$", "mid"]
    starts = [100, 100 - FONTS.length("mid") / 2]
    for text, x, baseline, color in zip(
        texts, starts, (50, 80), ("#3366cc", "#ff0000"), strict=True
    ):
        assert float(text.get("x")) == pytest.approx(x * PT, abs=0.01)
        assert float(text.get("y")) == pytest.approx(baseline * PT, abs=0.01)
        assert f"fill: {color}" in text.get("style")
        assert "font-size: 14.4px" in text.get("style")
        assert "'DejaVu Sans'" in text.get("style")


def test_text_of_several_scripts_has_a_run_for_each_font(tmp_path):
    _, texts, _ = svg_of([SheetText(10, 50, "ab 🚀 cd", FONTS, GREEN)], tmp_path)
    assert [text.text.strip() for text in texts] == ["ab", "🚀", "cd"]
    lengths = [FONTS.length(each) for each in ("ab ", "🚀 ")]
    starts = [10, 10 + lengths[0], 10 + sum(lengths)]
    got = [float(text.get("x")) / PT for text in texts]
    assert got == pytest.approx(starts, abs=0.1)


def test_a_pdf_has_the_page_size_text_and_all_fonts_inside(tmp_path):
    items = [
        SheetText(10, 50, "ab 🚀", FONTS, GREEN),
        picture(120, 60, 20, 10),
        picture(0, 0, 6, 8),
    ]
    data = write(items, tmp_path / "sheet.pdf", width=300, height=150).read_bytes()
    assert b"/MediaBox [ 0 0 216 108 ]" in data
    assert data.count(b"/FontFile2") == 2  # TrueType outlines
    assert b"DejaVuSans" in data
    assert b"NotoEmoji" in data
    sizes = re.findall(rb"/Subtype /Image\s*/Width (\d+)\s*/Height (\d+)", data)
    assert sorted(sizes) == [(b"20", b"10"), (b"6", b"8")]


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_same_sheet_gives_the_same_bytes_without_a_date(tmp_path, monkeypatch, kind):
    items = [SheetText(10, 50, "ab", FONTS, GREEN), picture(120, 60, 20, 10)]
    contents = []
    for moment in ("1000000000", "1500000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", moment)
        contents.append(write(items, tmp_path / f"{moment}.{kind}").read_bytes())
    assert contents[0] == contents[1]
    assert b"Date" not in contents[0]
    assert b"dc:date" not in contents[0]


def test_every_format_is_written_and_no_other_file(tmp_path):
    paths = [tmp_path / f"sheet.{kind}" for kind in ("png", "pdf", "svg")]
    write_sheets(Sheet(20, 10, (SheetText(1, 9, "a", FONTS, GREEN),)), paths)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    starts = [path.read_bytes()[:5] for path in paths]
    assert starts == [b"\x89PNG\r", b"%PDF-", b"<?xml"]


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_a_sheet_that_cannot_be_written_is_an_export_error(tmp_path, kind):
    with pytest.raises(ExportError):
        write([], tmp_path / "nowhere" / f"sheet.{kind}")


@pytest.mark.parametrize("missing", ["matplotlib", "brotli"])
def test_only_vector_sheets_need_more_libraries(monkeypatch, missing):
    check_libraries(("pdf", "svg"))
    monkeypatch.setitem(sys.modules, missing, None)
    check_libraries(())
    check_libraries(("png",))
    for kinds in (("pdf",), ("svg",), ("png", "svg")):
        with pytest.raises(MissingDependencyError) as caught:
            check_libraries(kinds)
        assert caught.value.hint == "pip install 'tam-video[plots]'"
