"""Check the size of compressed frames before they are decoded.

A decoder allocates the size in the header of a frame's stream. A stream that is larger than the
file declares is refused before it is decoded.

Source: JPEG and JPEG-LS frame header (ITU-T T.81, B.2.2; T.87, C.2.2), JPEG 2000 SIZ marker (T.800,
A.5.1).
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.dicom.header import Header, dicom_errors
from tam_video.errors import VideoOpenError

if TYPE_CHECKING:
    from pydicom import Dataset

_ELEMENT_HEADER_BYTES = 12  # tag, VR, reserved, length
_SIZ = b"\xff\x4f\xff\x51"
_JPEG = b"\xff\xd8\xff"
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def check_streams(path: Path, header: Header) -> None:
    """Raise `VideoOpenError` if a compressed frame is larger than the file declares."""
    from pydicom import dcmread
    from pydicom.encaps import generate_frames

    if not header.dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    with dicom_errors(path.name, opening=True), path.open("rb") as file:
        tags = ["ExtendedOffsetTable", "ExtendedOffsetTableLengths"]
        tables = dcmread(file, stop_before_pixels=True, specific_tags=list(tags))
        file.seek(_ELEMENT_HEADER_BYTES, os.SEEK_CUR)
        streams = generate_frames(
            file, number_of_frames=header.num_frames, extended_offsets=_offsets(tables)
        )
        for index, stream in enumerate(streams):
            width, height = declared_size(stream) or (0, 0)
            if width * height > header.width * header.height:
                raise VideoOpenError(
                    f"frame {index} of {path.name} is {width}x{height}, but the file declares "
                    f"{header.width}x{header.height}",
                    hint="the file is damaged",
                )


def _offsets(tables: Dataset) -> tuple[bytes, bytes] | None:
    if "ExtendedOffsetTable" not in tables:
        return None
    return tables.ExtendedOffsetTable, tables.ExtendedOffsetTableLengths


def declared_size(stream: bytes) -> tuple[int, int] | None:
    """Return the (width, height) in a JPEG, JPEG-LS or JPEG 2000 header, or None if not found."""
    try:
        if stream.startswith(_JPEG):
            return _jpeg_size(stream)
        start = stream.find(_SIZ)
        if start < 0:
            return None
        right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
    except struct.error:
        return None
    return right - left, bottom - top


def _jpeg_size(stream: bytes) -> tuple[int, int] | None:
    offset = 2
    while offset < len(stream):
        prefix, marker = struct.unpack_from(">BB", stream, offset)
        if prefix != 0xFF:
            return None
        if marker == 0xFF:  # a fill byte
            offset += 1
            continue
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", stream, offset + 5)
            return width, height
        (length,) = struct.unpack_from(">H", stream, offset + 2)
        offset += 2 + length
    return None
