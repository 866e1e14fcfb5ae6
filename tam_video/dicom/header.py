"""Read the technical tags of a DICOM file.

Owns: opening, the allow-list of tags, the translation of errors. A message of a library may quote
the value of a tag, so library messages and causes of errors are never passed on.
"""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tam_video.errors import (
    MissingDependencyError,
    NoVideoStreamError,
    TamVideoError,
    VideoDecodeError,
    VideoOpenError,
)
from tam_video.video.reader import ReadLimits

if TYPE_CHECKING:
    from pydicom import Dataset

# fmt: off
TECHNICAL_KEYWORDS = (
    "Modality", "BurnedInAnnotation", "NumberOfFrames", "SequenceOfUltrasoundRegions",
    "FrameIncrementPointer", "FrameTime", "FrameTimeVector", "CineRate",
    "RecommendedDisplayFrameRate",
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PlanarConfiguration", "PixelAspectRatio",
    "PixelPaddingValue",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData",
    "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept",
    "VOILUTSequence", "VOILUTFunction", "WindowCenter", "WindowWidth",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
)
"""Tags that a reader reads; all others are skipped, also private ones."""

MODALITIES = frozenset({
    "AR", "BDUS", "BI", "BMD", "CR", "CT", "DG", "DX", "ECG", "EPS", "ES", "GM", "HD", "IO",
    "IVOCT", "IVUS", "KER", "LEN", "LS", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT",
    "OPTBSV", "OPTENF", "OPV", "OSS", "OT", "PT", "PX", "RF", "RG", "RTDOSE", "RTIMAGE", "SEG",
    "SM", "SRF", "TG", "US", "VA", "XA", "XC",
})
"""Defined terms of PS3.3, C.7.3.1.1.1; any other value is read as "OT"."""

PHOTOMETRIC = frozenset({
    "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT",
    "YBR_RCT",
})
"""Photometric interpretations that are converted to RGB."""
# fmt: on

_DEFLATED = "1.2.840.10008.1.2.1.99"
_MAX_INFLATED_BYTES = 2**30
_PIP = "pip install 'tam-video[dicom]'"
# In order of preference. GDCM aborts the process on some damaged streams, so it is only used for
# JPEG Lossless, which no other plug-in decodes, if the user has installed it.
_PLUGINS = ("pylibjpeg", "pyjpegls", "pillow", "pydicom", "gdcm")


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """Technical tags of a DICOM file, without any patient data.

    Attributes:
        dataset: the tags that were read, for use in this package only.
        modality: a defined term ("US"); "OT" for any other.
        photometric: photometric interpretation, a name of `PHOTOMETRIC`.
        transfer_syntax: name of the transfer syntax in the standard.
        num_frames: declared number of frames.
        width: number of columns.
        height: number of rows.
        bits_stored: bits per sample.
        pixel_aspect: width of a pixel divided by its height.
        burned_in: "YES", "NO", or "" if the file does not declare it.
        plugin: pydicom's name of the decoder; empty if the pixels are not compressed.
        holds_pixels: whether `dataset` contains the pixels, which can't be read separately.
    """

    dataset: Dataset
    modality: str
    photometric: str
    transfer_syntax: str
    num_frames: int
    width: int
    height: int
    bits_stored: int
    pixel_aspect: Fraction
    burned_in: str
    plugin: str
    holds_pixels: bool


@contextmanager
def dicom_errors(
    name: str, *, opening: bool = False, frame_index: int | None = None
) -> Iterator[None]:
    """Convert pydicom errors to `VideoOpenError` or `VideoDecodeError`, and suppress logs."""
    try:
        with _silent():
            yield
    except (TamVideoError, GeneratorExit):
        raise
    except Exception as exc:  # noqa: BLE001  decoders raise errors of any class
        kind = type(exc).__name__
        if opening:
            raise VideoOpenError(
                f"{name} can't be read as DICOM ({kind})", hint="check the file with a DICOM viewer"
            ) from None
        frame = "a frame" if frame_index is None else f"frame {frame_index}"
        raise VideoDecodeError(
            f"{frame} of {name} can't be decoded ({kind})",
            hint="the file is damaged, or no installed decoder supports its encoding",
            frame_index=frame_index,
        ) from None


@contextmanager
def _silent() -> Iterator[None]:
    """Suppress pydicom's warnings and logs because they quote tag values."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(level)


def read_header(path: Path, *, limits: ReadLimits) -> Header:
    """Read the technical tags; reject files that are unsupported or too large."""
    require_pydicom()
    with dicom_errors(path.name, opening=True):
        syntax, plugin = _readable_syntax(path)
        header = _header(_read_tags(path, syntax), path.name, plugin)
    limits.check(path.name, header.width, header.height, header.num_frames)
    return header


def require_pydicom() -> None:
    """Raise `MissingDependencyError` if pydicom is not installed."""
    try:
        import pydicom  # noqa: F401
    except ImportError as exc:
        raise MissingDependencyError("reading DICOM needs pydicom", hint=_PIP) from exc


def number(value: Any) -> Fraction | None:
    """Return the exact value of a decimal or integer string, or None if it is not a number."""
    try:
        return Fraction(str(value).strip())
    except (ValueError, ZeroDivisionError):
        return None


def _readable_syntax(path: Path) -> tuple[str, str]:
    """Return the transfer syntax UID and the name of its decoder plug-in ("" if none is needed)."""
    from pydicom.filereader import read_file_meta_info
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    syntax = UID(str(read_file_meta_info(path).TransferSyntaxUID))
    # A private UID could contain anything: only names of the standard are shown.
    name = syntax.name if syntax.name != str(syntax) else "unknown"
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        hint = "convert it, e.g. to Explicit VR Little Endian"
        if "MPEG" in name or "HEVC" in name:
            hint = "extract its video stream to a file"
        raise VideoOpenError(
            f"{path.name}: unsupported transfer syntax: {name}", hint=hint
        ) from None
    if not decoder.is_available:
        hint = "pip install python-gdcm" if "JPEG Lossless" in name else _PIP
        raise MissingDependencyError(f"{path.name}: no decoder is installed for {name}", hint=hint)
    plugins = [plugin for plugin in _PLUGINS if plugin in decoder.available_plugins]
    return str(syntax), next(iter(plugins), "")


def _read_tags(path: Path, syntax: str) -> Dataset:
    """Read the tags of the allow-list, and also the pixels if the transfer syntax is Deflated."""
    from pydicom import dcmread

    wanted: list[Any] = list(TECHNICAL_KEYWORDS)
    if syntax != _DEFLATED:
        return dcmread(path, specific_tags=wanted, stop_before_pixels=True)
    _refuse_bomb(path)
    return dcmread(path, specific_tags=[*wanted, "PixelData"])


def _refuse_bomb(path: Path) -> None:
    """Raise `VideoOpenError` if the file inflates beyond the limit; inflated data is discarded."""
    from pydicom.filereader import _read_file_meta_info, read_preamble

    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        read_preamble(file, force=False)
        _read_file_meta_info(file)
        while block := file.read(1 << 20):
            while block:
                total += len(inflater.decompress(block, 1 << 24))
                block = inflater.unconsumed_tail
                if total > _MAX_INFLATED_BYTES:
                    raise VideoOpenError(
                        f"{path.name} inflates to more than {_MAX_INFLATED_BYTES} bytes",
                        hint="convert the file to Explicit VR Little Endian",
                    )


def _header(dataset: Dataset, name: str, plugin: str) -> Header:
    rows, columns = dataset.get("Rows"), dataset.get("Columns")
    if not rows or not columns:
        raise NoVideoStreamError(
            f"{name} contains no pixels", hint="pass a DICOM file with an image or a cine loop"
        )
    photometric = str(dataset.get("PhotometricInterpretation", "")).strip().upper()
    if photometric not in PHOTOMETRIC:
        raise VideoOpenError(
            f"{name}: unsupported photometric interpretation",
            hint=f"supported: {', '.join(sorted(PHOTOMETRIC))}",
        )
    count = number(dataset.get("NumberOfFrames") or 1)
    if count is None or count.denominator != 1 or count < 1:
        raise VideoOpenError(
            f"{name}: NumberOfFrames is not valid", hint="check the file with a DICOM viewer"
        )
    modality = str(dataset.get("Modality", "")).strip().upper()
    burned_in = str(dataset.get("BurnedInAnnotation", "")).strip().upper()
    syntax = dataset.file_meta.TransferSyntaxUID
    return Header(
        dataset=dataset,
        modality=modality if modality in MODALITIES else "OT",
        photometric=photometric,
        transfer_syntax=syntax.name,
        num_frames=int(count),
        width=int(columns),
        height=int(rows),
        bits_stored=int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 8),
        pixel_aspect=_pixel_aspect(dataset.get("PixelAspectRatio")),
        burned_in=burned_in if burned_in in ("YES", "NO") else "",
        plugin=plugin,
        holds_pixels="PixelData" in dataset,
    )


def _pixel_aspect(value: Any) -> Fraction:
    """Return pixel width / height; the tag stores the height first (PS3.3, C.7.6.3.1.7)."""
    parts = [number(each) for each in value] if value is not None and len(value) == 2 else []
    if len(parts) == 2 and parts[0] and parts[1] and min(parts[0], parts[1]) > 0:
        return parts[1] / parts[0]
    return Fraction(1)
