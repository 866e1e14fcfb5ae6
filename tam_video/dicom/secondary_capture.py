"""Export frames as a DICOM Secondary Capture object with new UIDs and a pseudonym.

Source: DICOM PS3.3, A.8.5 (Multi-frame True Color Secondary Capture Image). Frames are JPEG
Baseline, which every viewer supports; the tags declare the lossy compression.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.dicom.header import require_pydicom
from tam_video.types import ByteArray, Float64Array
from tam_video.video.muxing import replacing
from tam_video.workspace.files import wrap_os_errors

if TYPE_CHECKING:
    from pydicom import Dataset

_JPEG_QUALITY = 95
_SAME_MILLISECONDS = 1e-3


@dataclass(frozen=True, slots=True)
class CaptureTags:
    """Tags of a Secondary Capture object.

    Attributes:
        patient: pseudonym, used as name and ID of the patient.
        study_uid: new UID of the study.
        series_uid: new UID of the series.
        instance_uid: new UID of the object.
        modality: a defined term of the standard.
        has_burned_in: whether the pixels may still name a patient.
        derivation: description of how the pixels were made.
    """

    patient: str
    study_uid: str
    series_uid: str
    instance_uid: str
    modality: str
    has_burned_in: bool
    derivation: str


def write_secondary_capture(
    path: Path, frames: Iterable[ByteArray], pts_seconds: Float64Array, tags: CaptureTags
) -> Path:
    """Write a Secondary Capture file atomically and return its path.

    Args:
        path: the file; its folder must exist.
        frames: uint8 [H, W, 3], one by one, all of one size.
        pts_seconds: float64 [N], time of each frame, increasing.
        tags: tags of the object.

    Raises:
        MissingDependencyError: pydicom is not installed.
        ExportError: the file can't be written.
        ValueError: there are no frames, or the number of times differs.
    """
    require_pydicom()
    from pydicom.encaps import encapsulate

    encoded, raw_bytes, size = [], 0, (0, 0)
    for rgb in frames:
        encoded.append(_jpeg(rgb))
        raw_bytes, size = raw_bytes + rgb.nbytes, (rgb.shape[0], rgb.shape[1])
    if not encoded or len(encoded) != len(pts_seconds):
        raise ValueError(f"there are {len(encoded)} frames, but {len(pts_seconds)} times")
    dataset = _make_dataset(tags)
    _add_times(dataset, pts_seconds)
    ratio = raw_bytes / sum(map(len, encoded))
    _add_pixels(dataset, encapsulate(encoded), size=size, ratio=ratio)
    with wrap_os_errors(path), replacing(path) as partial:
        dataset.save_as(partial, enforce_file_format=True)
    return path


def _jpeg(rgb: ByteArray) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling="4:2:2")
    return file.getvalue()


def _make_dataset(tags: CaptureTags) -> Dataset:
    """Create the patient, study, series and equipment tags; unknown values are empty."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import JPEGBaseline8Bit, MultiFrameTrueColorSecondaryCaptureImageStorage

    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    made.SOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    made.SOPInstanceUID = tags.instance_uid
    made.StudyInstanceUID, made.SeriesInstanceUID = tags.study_uid, tags.series_uid
    made.PatientName = made.PatientID = tags.patient
    for keyword in (
        *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
        *("StudyID", "ReferringPhysicianName", "Laterality", "PatientOrientation"),
    ):
        setattr(made, keyword, "")
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "tam-video: new object of technical tags and pseudonyms alone"
    made.Modality, made.ConversionType = tags.modality, "WSD"
    made.SeriesNumber = made.InstanceNumber = 1
    made.Manufacturer, made.SoftwareVersions = "tam-video", version("tam-video")
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES" if tags.has_burned_in else "NO"
    made.DerivationDescription = tags.derivation
    made.ImageComments = "Not a medical device. Not for diagnosis."
    return made


def _add_times(dataset: Dataset, pts_seconds: Float64Array) -> None:
    """Add FrameTime if frames are evenly spaced (0 for a single frame), else FrameTimeVector."""
    from pydicom.valuerep import format_number_as_ds

    dataset.NumberOfFrames = len(pts_seconds)
    steps = [1000 * float(late - early) for early, late in pairwise(pts_seconds)]
    if not steps:
        dataset.FrameTime, dataset.FrameIncrementPointer = "0", 0x00181063
    elif max(steps) - min(steps) < _SAME_MILLISECONDS:
        mean = 1000 * float(pts_seconds[-1] - pts_seconds[0]) / len(steps)
        dataset.FrameTime = format_number_as_ds(round(mean, 6))
        dataset.FrameIncrementPointer = 0x00181063
    else:
        vector = [format_number_as_ds(round(each, 6)) for each in (0.0, *steps)]
        dataset.FrameTimeVector, dataset.FrameIncrementPointer = vector, 0x00181065


def _add_pixels(dataset: Dataset, pixels: bytes, *, size: tuple[int, int], ratio: float) -> None:
    from pydicom.valuerep import format_number_as_ds

    dataset.Rows, dataset.Columns = size
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", "ISO_10918_1"
    dataset.LossyImageCompressionRatio = format_number_as_ds(round(ratio, 2))
    dataset.PixelData = pixels
