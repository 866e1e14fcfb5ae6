from io import BytesIO

import numpy as np
import pytest
from dicom_files import compress, dataset_of, pictures, save
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from tam_video.dicom.streams import declared_size
from tam_video.errors import VideoOpenError
from tam_video.video.reader import open_video

SYNTAXES = {"jpeg": JPEGBaseline8Bit, "jpeg-ls": JPEGLSLossless, "jpeg-2000": JPEG2000Lossless}


@pytest.mark.parametrize("name", SYNTAXES)
def test_the_size_of_a_stream_is_told_without_decoding(name):
    dataset = compress(dataset_of(pictures(2)), SYNTAXES[name])
    streams = list(generate_frames(dataset.PixelData, number_of_frames=2))
    assert [declared_size(stream) for stream in streams] == [(48, 36)] * 2


def test_run_length_frames_say_nothing_of_their_size():
    dataset = compress(dataset_of(pictures(1)), RLELossless)
    assert declared_size(next(generate_frames(dataset.PixelData, number_of_frames=1))) is None


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8\xff", b"\xff\x4f\xff\x51"]))
def test_any_bytes_are_survived(data, start):
    result = declared_size(start + data)
    assert result is None or len(result) == 2


def test_a_frame_larger_than_declared_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    dataset = compress(dataset_of(pictures(3)), JPEGBaseline8Bit)
    streams = list(generate_frames(dataset.PixelData, number_of_frames=3))
    file = BytesIO()
    Image.fromarray(np.zeros((400, 500, 3), np.uint8)).save(file, "JPEG")
    dataset.PixelData = encapsulate([*streams[:2], file.getvalue()])
    path = save(dataset, tmp_path / "a.dcm")
    monkeypatch.setattr("pydicom.pixels.utils.iter_pixels", None)
    with pytest.raises(VideoOpenError, match=r"frame 2 .* 500x400, but the file declares 48x36"):
        open_video(path)
