import logging
import zlib
from fractions import Fraction

import numpy as np
import pytest
from dicom_files import compress, dataset_of, pictures, region, save
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from tam_video import errors
from tam_video.dicom import header as header_module
from tam_video.dicom.header import TECHNICAL_KEYWORDS
from tam_video.video.reader import ReadLimits, is_dicom, open_video
from tam_video.video.writer import source_tags

NAME = "PLANTED^NAME"


@pytest.fixture
def cine(tmp_path):
    def make(frames=None, **tags):
        frames = pictures(3) if frames is None else frames
        return save(dataset_of(frames, **tags), tmp_path / "a.dcm")

    return make


def test_a_file_is_known_by_its_mark_whatever_it_is_called(cine, tmp_path):
    path = cine().rename(tmp_path / "clip.mp4")
    assert is_dicom(path)
    for reader in ("pyav", "decord", "dicom"):
        with open_video(path, reader=reader) as video:
            assert video.info.codec == "Explicit VR Little Endian"
    assert not is_dicom(tmp_path / "missing")


def test_info_tells_size_times_and_pixel_shape(cine):
    with open_video(cine(PixelAspectRatio=[3, 4])) as reader:
        info = reader.info
    assert (info.width, info.height, info.num_frames) == (48, 36, 3)
    assert (info.average_fps, info.duration_seconds) == (Fraction(25), 0.12)
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert not info.is_image
    assert source_tags(info).sample_aspect_ratio == Fraction(4, 3)


def test_one_frame_is_a_picture(cine):
    with open_video(cine(pictures(1))) as reader:
        assert reader.info.is_image


def test_only_technical_tags_are_read(cine):
    path = cine(PatientName=NAME, PatientID=NAME, InstitutionName=NAME)
    with open_video(path) as reader:
        read = {element.keyword for element in reader.header.dataset}
        assert read <= set(TECHNICAL_KEYWORDS)
        assert NAME not in repr(reader.info) + repr(reader.header) + str(reader.header.dataset)


def test_an_invalid_modality_is_not_shown(cine):
    with open_video(cine(Modality="JANEDOE", BurnedInAnnotation="JANE")) as reader:
        assert (reader.header.modality, reader.header.burned_in) == ("OT", "")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (ReadLimits(max_pixels=48 * 36 - 1), "48x36"),
        (ReadLimits(max_frames=2), "3 frames"),
        (ReadLimits(max_seconds=0.1), "0 seconds"),
    ],
)
def test_a_file_above_the_limits_is_refused_before_decoding(cine, limits, words, monkeypatch):
    path = cine()
    monkeypatch.setattr("pydicom.pixels.utils.iter_pixels", None)
    with pytest.raises(errors.VideoOpenError, match=words) as caught:
        open_video(path, limits=limits)
    assert "limit" in caught.value.hint


def test_a_file_that_inflates_too_far_is_refused(cine, monkeypatch, tmp_path):
    dataset = dataset_of(pictures(1))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    path = save(dataset, tmp_path / "a.dcm")
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = path.read_bytes().rfind(b"1.2.840.10008.1.2.1.99")
    head = path.read_bytes()[: start + 22]
    path.write_bytes(head + squeezer.compress(bytes(2**22)) + squeezer.flush())
    monkeypatch.setattr(header_module, "_MAX_INFLATED_BYTES", 2**20)
    with pytest.raises(errors.VideoOpenError):
        open_video(path)


def test_a_truncated_file_raises_an_error_with_the_frame(cine):
    path = cine()
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(errors.VideoDecodeError), open_video(path) as reader:
        list(reader.frames())


def test_a_file_without_pixels_is_refused(cine):
    with pytest.raises(errors.NoVideoStreamError):
        open_video(cine(Rows=None, PixelData=None))


def test_video_streams_in_dicom_are_refused_with_a_hint(cine, tmp_path):
    dataset = dataset_of(pictures(1))
    dataset["PixelData"].is_undefined_length = True
    dataset.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + b"\xfe\xff\x00\xe0\x04\0\0\0abcd"
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.102"
    with pytest.raises(errors.VideoOpenError, match="MPEG-4") as caught:
        open_video(save(dataset, tmp_path / "a.dcm"))
    assert "video stream" in caught.value.hint


def test_an_unknown_transfer_syntax_is_not_shown(cine, tmp_path):
    path = save(dataset_of(pictures(1)), tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.3.4.5.6.7.8.9.0\0"))
    with pytest.raises(errors.VideoOpenError) as caught:
        open_video(path)
    assert "1.2.3.4" not in caught.value.message + caught.value.hint


def test_a_missing_decoder_names_the_pip_line(cine, monkeypatch):
    import pydicom.pixels.decoders.base as base

    path = cine()
    monkeypatch.setattr(base.Decoder, "is_available", property(lambda _: False))
    with pytest.raises(errors.MissingDependencyError) as caught:
        open_video(path)
    assert caught.value.hint == "pip install 'tam-video[dicom]'"


@pytest.mark.parametrize(
    "syntax", [JPEGBaseline8Bit, JPEG2000Lossless, JPEGLSLossless, RLELossless]
)
def test_the_decoder_that_damaged_files_end_is_only_the_last_resort(tmp_path, syntax):
    path = save(compress(dataset_of(pictures(2)), syntax), tmp_path / "a.dcm")
    with open_video(path) as reader:
        assert reader.header.plugin not in ("", "gdcm")


def test_damaged_files_are_read_or_told(cine, tmp_path):
    """Bytes are changed at random, in tags and in streams: nothing but typed errors comes out."""
    rng = np.random.default_rng(5)
    for syntax in (JPEGBaseline8Bit, JPEG2000Lossless, JPEGLSLossless, RLELossless):
        dataset = compress(dataset_of(pictures(2), PatientName=NAME), syntax)
        whole = save(dataset, tmp_path / "a.dcm").read_bytes()
        for _ in range(40):
            data = bytearray(whole)
            for place in rng.integers(132, len(data), size=4):
                data[place] = rng.integers(256)
            (tmp_path / "b.dcm").write_bytes(data)
            try:
                with open_video(tmp_path / "b.dcm") as reader:
                    list(reader.frames())
            except errors.TamVideoError as exc:
                message = exc.message + exc.hint
                if "PLANTED" in message:
                    pytest.fail(message)


def test_nothing_is_logged_by_pydicom_while_it_reads(cine, caplog, recwarn):
    path = cine(SpecificCharacterSet="JANE_DOE", PatientName="x")
    logging.getLogger("pydicom").setLevel(logging.WARNING)
    caplog.clear()
    recwarn.clear()
    with caplog.at_level(logging.DEBUG), open_video(path) as reader:
        list(reader.frames())
    assert not [record for record in caplog.records if record.name.startswith("pydicom")]
    assert not recwarn.list
    assert logging.getLogger("pydicom").level == logging.WARNING


def test_a_closed_reader_reads_no_more(cine):
    with open_video(cine()) as reader:
        iterator = reader.frames()
        next(iterator)
    with pytest.raises(ValueError, match="closed"):
        next(iterator)
    with pytest.raises(ValueError, match="closed"):
        reader.read([0])


def test_numbers_that_are_not_there_are_refused(cine):
    with open_video(cine()) as reader:
        for wrong in ([3], [-1]):
            with pytest.raises(IndexError):
                reader.read(wrong)
        assert list(reader.frames(2, 2)) == []
        assert np.array_equal(reader.read([1, 1]).frames[0], reader.read([1]).frames[0])


def test_regions_are_told_largest_first(cine):
    with open_video(
        cine(SequenceOfUltrasoundRegions=[region(0, 0, 4, 4), region(4, 4, 40, 30)])
    ) as reader:
        assert [each.box.area for each in reader.regions] == [36 * 26, 16]
