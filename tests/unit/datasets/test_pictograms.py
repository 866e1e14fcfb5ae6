"""Outlines of pictograms."""

import numpy as np
import pytest

from tam_video.datasets.pictograms import PICTOGRAMS, pictogram_outline
from tam_video.datasets.shapes import outline
from tam_video.datasets.worlds import make_clip


@pytest.mark.parametrize("name", PICTOGRAMS)
def test_an_outline_is_centred_and_has_a_larger_side_of_one(name: str) -> None:
    points = np.concatenate(pictogram_outline(name))
    low, high = points.min(axis=0), points.max(axis=0)
    np.testing.assert_allclose(low + high, 0, atol=1e-9)
    assert (high - low).max() == pytest.approx(1)
    assert (high - low).min() > 0.4


def test_outlines_differ() -> None:
    shapes = {tuple(pictogram_outline(name)[0].ravel()) for name in PICTOGRAMS}
    assert len(shapes) == len(PICTOGRAMS)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'unicorn' is not a known pictogram"):
        pictogram_outline("unicorn")
    with pytest.raises(ValueError, match="'unicorn' is not a known shape"):
        outline("unicorn")


def test_clips_of_pictograms_have_masks_where_the_object_is_painted() -> None:
    clip = make_clip(3, split="dev", num_objects=1, shapes=("cat",))
    [item] = clip.objects
    assert item.shape == "cat"
    frame = item.visible_frames[0]
    [mask] = clip.masks(frame)
    inside = clip.render_frame(frame)[mask].astype(float).mean(axis=0)
    assert mask.any()
    np.testing.assert_allclose(inside, item.rgb, atol=4)
