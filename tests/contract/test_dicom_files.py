"""Real and made DICOM files of every transfer syntax: read as pydicom does, or a typed error."""

import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import compress, dataset_of, pictures, save
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from tam_video.dicom import DicomReader
from tam_video.errors import TamVideoError, VideoOpenError
from tam_video.video.reader import open_video

SHIPPED = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
MEDIA = Path(__file__).parents[3] / "shared" / "media" / "medical"


def with_pixels(paths):
    """The files with several frames or colours, by their tags."""
    result = []
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            frames = int(tags.get("NumberOfFrames") or 1) if path.name != "badVR.dcm" else 1
        if tags.get("Rows") and (
            frames > 1 or tags.get("SamplesPerPixel") == 3 or is_palette(tags)
        ):
            result.append(path)
    return result


def is_palette(tags):
    return tags.get("PhotometricInterpretation") == "PALETTE COLOR"


COLOUR_OR_CINE = with_pixels(SHIPPED)
# Implicit VR in a syntax that is explicit: pydicom reads it as a whole, not frame by frame.
MISENCODED = "SC_rgb_jpeg.dcm"


def decoded_by_pydicom(path):
    """[N, H, W, 3] or [N, H, W] of pydicom's own whole array, colours as RGB of 8 bits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        array = pixel_array(dataset)
        if is_palette(dataset):
            array = apply_color_lut(array, dataset) >> 8
        elif dataset.SamplesPerPixel == 3 and array.dtype != np.uint8:
            array = np.rint(array / (2.0**dataset.BitsStored - 1) * 255)
    return array if int(dataset.get("NumberOfFrames") or 1) > 1 else array[np.newaxis]


def test_the_package_ships_enough_files_to_compare():
    assert len(SHIPPED) >= 70
    assert len(READABLE) >= 35


READABLE = [path for path in COLOUR_OR_CINE if path.name != MISENCODED]


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.stem)
def test_frames_are_those_that_pydicom_decodes(path):
    with open_video(path) as reader:
        assert isinstance(reader, DicomReader)
        result = np.stack([frame.rgb for frame in reader.frames()])
        again = reader.read([len(result) - 1, 0]).frames
    assert np.array_equal(again, result[[len(result) - 1, 0]])
    wanted = decoded_by_pydicom(path)
    if wanted.ndim == 4:
        assert np.array_equal(result, wanted)
    else:  # grey: the order of values is kept, from black to white
        flat, grey = wanted.ravel().astype(np.float64), result[..., 0].ravel().astype(np.float64)
        assert np.all(np.diff(grey[np.argsort(flat, kind="stable")]) >= 0)
        assert np.array_equal(result[..., 0], result[..., 2])


def test_a_file_that_is_not_encoded_as_it_says_is_an_error():
    (path,) = (path for path in SHIPPED if path.name == MISENCODED)
    with pytest.raises(VideoOpenError):
        open_video(path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_other_file_is_read_or_told_why_not(path):
    try:
        with open_video(path) as reader:
            assert reader.read([0]).frames.dtype == np.uint8
    except TamVideoError as exc:
        error = exc
    else:
        return
    assert error.hint


EXACT = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
}
NATIVE = {"explicit", "implicit", "big-endian", "deflated"}


@pytest.mark.parametrize("extended", [False, True], ids=["basic", "extended"])
@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "colour"])
@pytest.mark.parametrize("name", EXACT)
def test_lossless_syntaxes_give_back_every_pixel(tmp_path, name, channels, extended):
    frames = pictures(5, channels=channels)
    dataset = dataset_of(frames)
    if name in NATIVE:
        if extended:
            return  # nothing is encapsulated
        dataset.file_meta.TransferSyntaxUID = EXACT[name]
    else:
        compress(dataset, EXACT[name], extended=extended)
    wanted = frames if channels == 3 else np.repeat(frames[..., np.newaxis], 3, axis=3)
    with open_video(save(dataset, tmp_path / "a.dcm")) as reader:
        assert np.array_equal(np.stack([each.rgb for each in reader.frames()]), wanted)
        assert np.array_equal(reader.read([4, 1, 4]).frames, wanted[[4, 1, 4]])
        assert [each.index for each in reader.frames(2, 4)] == [2, 3]


@pytest.mark.parametrize("extended", [False, True], ids=["basic", "extended"])
def test_jpeg_gives_back_nearly_every_pixel(tmp_path, extended):
    frames = pictures(4)
    dataset = compress(dataset_of(frames), JPEGBaseline8Bit, extended=extended)
    with open_video(save(dataset, tmp_path / "a.dcm")) as reader:
        result = np.stack([each.rgb for each in reader.frames()])
    assert np.abs(result.astype(int) - frames).mean() < 3


@pytest.mark.shared
@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "sonoque_anechoic-3mm-3mm.dcm"])
def test_real_ultrasound_is_read_with_its_regions(name):
    with open_video(MEDIA / name) as reader:
        assert isinstance(reader, DicomReader)
        assert reader.header.modality == "US"
        assert len(reader.regions) >= 1
        if name.startswith("examples"):
            assert reader.timing_source == "FrameTime"
            assert reader.info.num_frames == 30
            assert reader.timeline.pts_seconds[29] == float(29 * Fraction("0.033333"))
