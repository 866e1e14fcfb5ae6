import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tam_video.dicom.regions import Box, Region
from tam_video.errors import VideoOpenError
from tam_video.pipelines.medical import MedicalOptions
from tam_video.pipelines.medical.masking import plan_masking

WIDTH, HEIGHT = 20, 12
REGION = Region(Box(4, 3, 14, 11), True)
SPECTRUM = Region(Box(0, 0, 20, 2), False)


def options(**given_options):
    return MedicalOptions(
        pipeline="medical",
        inputs=("a",),
        output="out",
        questions=[{"id": "q", "text": "What?"}],
        **given_options,
    )


def plan(*regions, burned_in="NO", **given_options):
    return plan_masking(
        options(**given_options),
        regions,
        name="input-1",
        width=WIDTH,
        height=HEIGHT,
        burned_in=burned_in,
    )


def reference_mask(frame, masking_options, regions, boxes):
    """Reference implementation, pixel by pixel."""
    out = frame.copy()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            inside = any(b.left <= x < b.right and b.top <= y < b.bottom for b in regions)
            covered = any(
                left <= x < right and top <= y < bottom for left, top, right, bottom in boxes
            )
            if (masking_options == "outside-regions" and regions and not inside) or covered:
                out[y, x] = 0
    return out


@given(
    st.sampled_from(["none", "outside-regions"]),
    st.lists(st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(10, 30)] * 2), max_size=3),
    st.booleans(),
)
def test_masking_equals_the_reference_implementation(mask, boxes, has_region):
    frame = np.random.default_rng(0).integers(1, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    regions = [REGION] if has_region else []
    masking = plan(*regions, mask=mask, mask_boxes=boxes, unmasked="warn")
    wanted = reference_mask(frame, mask, [each.box for each in regions], boxes)
    assert np.array_equal(masking.apply(frame), wanted)
    assert masking.black_share == pytest.approx(float((wanted == 0).all(-1).mean()))


def test_crop_uses_the_largest_region_of_tissue_or_the_bounding_box():
    frame = np.arange(WIDTH * HEIGHT * 3, dtype=np.int64).reshape(HEIGHT, WIDTH, 3) % 251
    frame = frame.astype(np.uint8)
    big = Region(Box(0, 0, 20, 12), False)
    assert plan(big, REGION, crop="largest-region").crop == REGION.box
    assert plan(big, crop="largest-region").crop == big.box
    masking = plan(REGION, SPECTRUM, crop="all-regions", mask="outside-regions")
    assert masking.crop == Box(0, 0, 20, 11)
    assert np.array_equal(plan(REGION, crop="largest-region").apply(frame), frame[3:11, 4:14])


def test_fractions_are_rounded_outwards():
    masking = plan(mask_boxes=[[0.0, 0.0, 1.0, 0.1]])
    assert masking.is_black[:2].all()
    assert not masking.is_black[2:].any()


def test_visible_text_is_refused_or_reported():
    with pytest.raises(VideoOpenError, match=r"input-1: .*burned") as caught:
        plan(burned_in="YES")
    assert "mask_boxes" in caught.value.hint
    masking = plan(burned_in="YES", unmasked="warn")
    assert masking.has_burned_in
    assert "burned" in masking.warnings[0]
    masked = plan(burned_in="YES", mask_boxes=[[0, 0, 20, 3]])
    assert not masked.has_burned_in
    assert not masked.warnings


@pytest.mark.parametrize("asked", [{"mask": "outside-regions"}, {"crop": "all-regions"}])
def test_missing_regions_are_refused_or_reported(asked):
    with pytest.raises(VideoOpenError, match="no ultrasound regions"):
        plan(**asked)
    assert plan(**asked, unmasked="warn").warnings
    assert not plan(**asked, mask_boxes=[[0, 0, 20, 3]]).warnings


def test_an_undeclared_burned_in_flag_is_reported():
    assert plan(burned_in="").has_burned_in
    assert "does not declare" in plan(burned_in="").warnings[0]
    assert not plan(burned_in="NO").warnings


@pytest.mark.parametrize(
    "box", [[0, 0, 0, 5], [0.5, 0.0, 0.2, 1.0], [0.0, 0, 5, 0.5], [-1, 0, 3, 3]]
)
def test_invalid_boxes_are_refused(box):
    with pytest.raises(ValidationError):
        options(mask_boxes=[box])


def test_two_questions_with_the_same_id_are_refused():
    with pytest.raises(ValidationError, match="id q"):
        MedicalOptions(
            pipeline="medical",
            inputs=("a",),
            output="out",
            questions=[{"id": "q", "text": "What?"}] * 2,
        )
