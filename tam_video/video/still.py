"""Still pictures: which files are one, and how they are held.

Owns: telling pictures from clips, the orientation that a camera notes in EXIF. Does not decode.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from av.container import InputContainer

Matrix: TypeAlias = tuple[int, int, int, int]
"""(a, b, c, d) with x' = a x + c y, y' = b x + d y."""

PICTURE_FORMATS = ("bmp_pipe", "image2", "jpeg_pipe", "png_pipe", "tiff_pipe", "webp_pipe")
_ORIENTATION = 0x0112
# Exif 2.32, tag 274: what to do with the stored picture, 1 to 8.
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
    """Whether a file is of a format for pictures; GIF and APNG are for clips, even of one frame."""
    return container.format.name in PICTURE_FORMATS


def read_orientation(path: Path) -> Matrix | None:
    """How a picture file's EXIF wants it to be turned; None where nothing readable says so.

    PyAV can't list the side data of pictures with EXIF, and its angle does not tell a mirrored
    picture from a turned one.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return _MATRICES.get(picture.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, struct.error):
        return None


def count_pages(path: Path) -> int:
    """Pictures in a TIFF file, of which only the first is read; 1 where that can't be told."""
    from PIL import Image

    try:
        with Image.open(path, formats=["TIFF"]) as picture:
            return int(getattr(picture, "n_frames", 1))
    except (OSError, SyntaxError, ValueError, struct.error):
        return 1
