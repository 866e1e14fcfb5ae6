"""Recognise still images and read their orientation.

Owns: the distinction of images and clips, the orientation in EXIF. Does not decode.
"""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

if TYPE_CHECKING:
    from av.container import InputContainer

Matrix: TypeAlias = tuple[int, int, int, int]
"""(a, b, c, d) with x' = a x + c y, y' = b x + d y."""

PICTURE_FORMATS = ("bmp_pipe", "image2", "jpeg_pipe", "png_pipe", "tiff_pipe", "webp_pipe")
_WITHOUT_JPEG = ("BMP", "PNG", "TIFF", "WEBP")  # those formats, as Pillow names them
_ORIENTATION = 0x0112
_EXIF = b"Exif\0\0"
# Exif 2.32, tag 274: the transform of the stored image, 1 to 8.
_MATRICES: dict[int, Matrix] = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def is_picture(container: InputContainer) -> bool:
    """Return whether a file has an image format; GIF and APNG count as videos."""
    return container.format.name in PICTURE_FORMATS


def read_orientation(path: Path) -> Matrix | None:
    """Return the EXIF orientation of an image file, or None if it can't be read.

    PyAV can't list the side data of images with EXIF, and its angle does not distinguish mirroring
    from rotation.
    """
    from PIL import Image

    try:
        with path.open("rb") as file:
            header = _jpeg_header(file)
        source, formats = (header, ["JPEG"]) if header else (path, _WITHOUT_JPEG)
        with Image.open(source, formats=formats) as picture:
            if picture.format == "PNG" and "exif" not in picture.info:
                picture.load()  # it may be stored after the pixels
            if header is None and picture.info.get("exif", b"").startswith(2 * _EXIF):
                return None  # Pillow before 13 copies the rest for each header: CVE-2026-96643
            return _MATRICES.get(picture.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return None


def _jpeg_header(file: BinaryIO) -> BytesIO | None:
    """Return a JPEG file's header with only the first EXIF segment, or None if it can't be read.

    Pillow joins all EXIF segments; before 13 this takes hours for a file full of them. The result
    is None for another format.
    """
    if file.read(2) != b"\xff\xd8":
        return None
    header, has_exif = BytesIO(b"\xff\xd8"), False
    header.seek(2)
    while len(marker := file.read(4)) == 4 and marker[0] == 0xFF:
        if marker[1] == 0xFF:  # a fill byte
            file.seek(-3, 1)
            continue
        length = max(2, int.from_bytes(marker[2:]))
        segment = file.read(length - 2)
        is_exif = marker[1] == 0xE1 and segment.startswith(_EXIF)
        if not (is_exif and has_exif):
            header.write(marker + segment)
        has_exif |= is_exif
        if marker[1] == 0xDA:  # the pixels follow
            break
    header.seek(0)
    return header


def count_pages(path: Path) -> int:
    """Return the number of pages of a TIFF file, or 1 if it can't be read."""
    from PIL import Image

    try:
        with Image.open(path, formats=["TIFF"]) as picture:
            return int(getattr(picture, "n_frames", 1))
    except (OSError, SyntaxError, ValueError, struct.error):
        return 1
