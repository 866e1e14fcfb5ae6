import numpy as np
import pydicom
import pytest
from dicom_files import pictures
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage

from tam_video.dicom.secondary_capture import CaptureTags, write_secondary_capture
from tam_video.errors import ExportError
from tam_video.video.reader import open_video

TAGS = CaptureTags("abc123", "2.25.7", "2.25.8", "2.25.9", "US", False, "drawn on")
ALLOWED_KEYWORDS = {
    *("BitsAllocated", "BitsStored", "BurnedInAnnotation", "Columns", "ConversionType"),
    *("DeidentificationMethod", "DerivationDescription", "FrameIncrementPointer", "FrameTime"),
    *("FrameTimeVector", "HighBit", "ImageComments", "ImageType", "InstanceNumber"),
    *("LossyImageCompression", "LossyImageCompressionMethod", "LossyImageCompressionRatio"),
    *("Manufacturer", "Modality", "NumberOfFrames", "PatientID", "PatientIdentityRemoved"),
    *("PatientName", "PhotometricInterpretation", "PixelData", "PixelRepresentation"),
    *("PlanarConfiguration", "Rows", "SOPClassUID", "SOPInstanceUID", "SamplesPerPixel"),
    *("SeriesInstanceUID", "SeriesNumber", "SoftwareVersions", "StudyInstanceUID"),
}


def test_it_reads_back_with_frames_and_steady_times(tmp_path):
    frames = pictures(4)
    path = write_secondary_capture(tmp_path / "a.dcm", iter(frames), np.arange(4) / 30, TAGS)
    dataset = pydicom.dcmread(path)
    assert dataset.SOPClassUID == MultiFrameTrueColorSecondaryCaptureImageStorage
    assert (dataset.PatientID, str(dataset.PatientName)) == ("abc123", "abc123")
    assert dataset.BurnedInAnnotation == "NO"
    assert float(dataset.FrameTime) == pytest.approx(1000 / 30, abs=1e-5)
    with open_video(path) as reader:
        rgb = np.stack([frame.rgb for frame in reader.frames()])
        assert reader.timeline.pts_seconds == pytest.approx(np.arange(4) / 30, abs=1e-7)
    assert np.abs(rgb.astype(int) - frames).mean() < 3
    keywords = {element.keyword for element in dataset if element.value not in ("", None)}
    assert keywords <= ALLOWED_KEYWORDS
    assert not any(element.tag.is_private for element in dataset.iterall())


def test_uneven_times_become_a_vector(tmp_path):
    times = np.array([0, 0.04, 0.1])
    path = write_secondary_capture(tmp_path / "a.dcm", iter(pictures(3)), times, TAGS)
    assert [float(each) for each in pydicom.dcmread(path).FrameTimeVector] == [0, 40, 60]
    with open_video(path) as reader:
        assert reader.timing_source == "FrameTimeVector"
        assert reader.timeline.pts_seconds.tolist() == times.tolist()


def test_nothing_is_left_where_it_can_not_be_written(tmp_path):
    with pytest.raises(ExportError):
        write_secondary_capture(tmp_path / "no" / "a.dcm", iter(pictures(1)), np.zeros(1), TAGS)
    with pytest.raises(ValueError, match="there are 1 frames, but 2 times"):
        write_secondary_capture(tmp_path / "a.dcm", iter(pictures(1)), np.zeros(2), TAGS)
    assert list(tmp_path.iterdir()) == []
