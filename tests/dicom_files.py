"""DICOM files made for tests: any transfer syntax, inserted patients, odd timing."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundMultiFrameImageStorage,
)

WIDTH, HEIGHT = 48, 36


def pictures(count: int, *, channels: int = 3, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    """[count, H, W(, 3)]: soft gradients that move, so that lossy codecs keep them."""
    rng = np.random.default_rng(seed)
    y, x, t = np.mgrid[0:HEIGHT, 0:WIDTH, 0:count]
    phase = rng.uniform(0, 6, size=channels)
    waves = [0.5 + 0.5 * np.sin(x / 9 + y / 7 + t / 3 + each) for each in phase]
    top = np.iinfo(dtype).max
    made = np.rint(np.stack(waves, axis=-1) * top).astype(dtype).transpose(2, 0, 1, 3)
    return made if channels > 1 else made[..., 0]


def dataset_of(frames: np.ndarray, **tags: Any) -> Dataset:
    """A cine of uncompressed frames, [N, H, W] grey or [N, H, W, 3] RGB."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = UltrasoundMultiFrameImageStorage, "2.25.3"
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.1", "2.25.2"
    made.Modality = "US"
    made.NumberOfFrames, made.Rows, made.Columns = frames.shape[:3]
    is_colour = frames.ndim == 4
    made.SamplesPerPixel = 3 if is_colour else 1
    made.PhotometricInterpretation = "RGB" if is_colour else "MONOCHROME2"
    if is_colour:
        made.PlanarConfiguration = 0
    bits = 8 * frames.dtype.itemsize
    made.BitsAllocated, made.BitsStored, made.HighBit = bits, bits, bits - 1
    made.PixelRepresentation = int(np.issubdtype(frames.dtype, np.signedinteger))
    made.FrameTime, made.FrameIncrementPointer = "40", 0x00181063
    made["PixelData"] = _pixels(frames.tobytes(), bits)
    for keyword, value in tags.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def _pixels(data: bytes, bits: int) -> Any:
    from pydicom.dataelem import DataElement

    return DataElement(0x7FE00010, "OW" if bits > 8 else "OB", data + b"\0" * (len(data) % 2))


def region(left: int, top: int, right: int, bottom: int, *, kind: int = 1) -> Dataset:
    """An ultrasound region; right and bottom are not part of it."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = kind, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right - 1, bottom - 1
    return item


def save(dataset: Dataset, path: Path) -> Path:
    """Write a data set as a DICOM file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def compress(dataset: Dataset, syntax: str, *, extended: bool = False) -> Dataset:
    """The same in another transfer syntax, by pydicom's encoders, or Pillow for JPEG."""
    if syntax == JPEGBaseline8Bit:
        return as_jpeg(dataset, extended=extended)
    dataset.compress(syntax, encapsulate_ext=extended, generate_instance_uid=False)
    return dataset


def as_jpeg(dataset: Dataset, *, extended: bool = False) -> Dataset:
    """JPEG Baseline by Pillow: YBR_FULL_422 where it has colours."""
    streams = []
    for frame in dataset.pixel_array:
        file = BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=95, subsampling="4:2:2")
        streams.append(file.getvalue())
    if extended:
        pixels, offsets, lengths = encapsulate_extended(streams)
        dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets, lengths
        dataset.PixelData = pixels
    else:
        dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    if dataset.SamplesPerPixel == 3:
        dataset.PhotometricInterpretation = "YBR_FULL_422"
    return dataset
