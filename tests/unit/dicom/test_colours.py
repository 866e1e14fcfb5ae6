import math

import numpy as np
import pytest
from dicom_files import dataset_of, pictures, region, save
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from tam_video.dicom.colours import stretch_of, window_bytes
from tam_video.dicom.regions import Box, Region, ultrasound_regions, union
from tam_video.video.reader import open_video


def one_value(x, center, width, function):
    """PS3.3, C.11.2.1.2 and C.11.2.1.3, for one value."""
    if function == "SIGMOID":
        exponent = min(700.0, -4 * (x - center) / width)
        y = 255 / (1 + math.exp(exponent))
    elif function == "LINEAR_EXACT":
        y = ((x - center) / width + 0.5) * 255
    elif x <= center - 0.5 - (width - 1) / 2:
        y = 0
    elif x > center - 0.5 + (width - 1) / 2:
        y = 255
    else:
        y = ((x - (center - 0.5)) / (width - 1) + 0.5) * 255
    return round(min(255, max(0, y)))


@given(
    st.lists(st.integers(-3000, 3000), min_size=1, max_size=20),
    st.integers(-2000, 2000),
    st.integers(1, 4000),
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_windows_follow_the_standard(values, center, width, function):
    result = window_bytes(np.array(values), center, width, function=function)
    assert result.tolist() == [one_value(x, center, width, function) for x in values]


def test_no_number_is_black():
    assert window_bytes(np.array([np.nan]), 0, 10, function="LINEAR").tolist() == [0]


@given(st.lists(st.floats(-1e6, 1e6), max_size=10), st.booleans())
def test_a_stretch_is_never_empty(values, is_padded):
    padding = values[0] if is_padded and values else None
    low, high = stretch_of([np.array(values)], padding)
    assert low < high


def read(tmp_path, dataset):
    with open_video(save(dataset, tmp_path / "a.dcm")) as reader:
        return np.stack([frame.rgb for frame in reader.frames()]), reader.warnings


def test_rescale_comes_before_the_window(tmp_path):
    values = np.arange(64, dtype=np.uint16).reshape(1, 8, 8) * 16
    dataset = dataset_of(
        values, RescaleSlope="2", RescaleIntercept="-1000", WindowCenter="40", WindowWidth="400"
    )
    result, warnings = read(tmp_path, dataset)
    wanted = [one_value(2 * int(x) - 1000, 40, 400, "LINEAR") for x in values.ravel()]
    assert result[0, ..., 0].ravel().tolist() == wanted
    assert not warnings


def test_monochrome1_is_shown_inverted(tmp_path):
    frames = pictures(2, channels=1)
    result, _ = read(tmp_path, dataset_of(frames, PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(result[..., 1], 255 - frames)


def test_without_a_window_deep_values_are_stretched_over_all_frames(tmp_path):
    frames = pictures(3, channels=1, dtype=np.uint16) // 64 + 100
    result, warnings = read(tmp_path, dataset_of(frames))
    assert (result.min(), result.max()) == (0, 255)
    assert f"{frames.min()} to {frames.max()}" in warnings[0]
    assert "3 frames" in warnings[0]


def test_padding_does_not_stretch_the_range(tmp_path):
    frames = pictures(1, channels=1, dtype=np.int16) // 64
    frames[:, :4] = -2000
    _, warnings = read(tmp_path, dataset_of(frames, PixelPaddingValue=-2000))
    assert "-2000" not in warnings[0]


def test_each_frame_may_have_a_window_of_its_own(tmp_path):
    frames = np.full((2, 4, 4), 100, np.uint16)
    groups = []
    for center in (100, 1000):
        voi = Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 100
        group = Dataset()
        group.FrameVOILUTSequence = [voi]
        groups.append(group)
    result, _ = read(tmp_path, dataset_of(frames, PerFrameFunctionalGroupsSequence=groups))
    assert result[0, 0, 0, 0] == one_value(100, 100, 100, "LINEAR")
    assert result[1].max() == 0


def test_a_look_up_table_goes_before_a_window(tmp_path):
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [4, 0, 8], [250, 120, 30, 0]
    lut["LUTDescriptor"].VR = lut["LUTData"].VR = "US"
    frames = np.array([[[0, 1], [2, 3]]], np.uint8)
    dataset = dataset_of(frames, VOILUTSequence=[lut], WindowCenter="1", WindowWidth="2")
    result, _ = read(tmp_path, dataset)
    assert result[0, ..., 0].tolist() == [[250, 120], [30, 0]]


@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_become_colours(tmp_path, bits):
    frames = np.array([[[0, 1], [2, 3]]], np.uint8)
    dataset = dataset_of(frames, PhotometricInterpretation="PALETTE COLOR")
    kind = np.uint8 if bits == 8 else np.uint16
    for number, name in enumerate(("Red", "Green", "Blue")):
        entries = np.array([0, 50 * (number + 1), 200, 255], kind) * (1 if bits == 8 else 256)
        setattr(dataset, f"{name}PaletteColorLookupTableDescriptor", [4, 0, bits])
        dataset[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(dataset, f"{name}PaletteColorLookupTableData", entries.tobytes())
    result, _ = read(tmp_path, dataset)
    assert result[0].reshape(-1, 3).tolist() == [[0] * 3, [50, 100, 150], [200] * 3, [255] * 3]


def test_regions_are_sorted_by_size_cut_to_the_picture_and_without_graphics():
    dataset = Dataset()
    dataset.SequenceOfUltrasoundRegions = [
        region(0, 0, 5, 5),
        region(10, 10, 90, 40, kind=3),
        region(0, 40, 90, 50, kind=5),
        region(200, 200, 210, 210),
    ]
    result = ultrasound_regions(dataset, width=50, height=50)
    assert result == (Region(Box(10, 10, 50, 40), False), Region(Box(0, 0, 5, 5), True))
    assert union(each.box for each in result) == Box(0, 0, 50, 40)
