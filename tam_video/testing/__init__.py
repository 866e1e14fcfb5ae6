"""Tests that every model family has to pass, whether built in or from a plug-in.

In a test module, define a fixture `model` (the result of `tam_video.models.load_model` for a
random-weight checkpoint of the family) and subclass the suite::

    from tam_video.testing import ModelContract

    @pytest.fixture(scope="module")
    def model(tmp_path_factory):
        return load_model(str(save_my_random_checkpoint(tmp_path_factory.mktemp("mine"))))

    class TestMine(ModelContract):
        pass

It checks the layout by changing source pixels and comparing which visual token changes most, so a
grid in the wrong order fails. Needs pytest and torch.
"""

from tam_video.testing.clips import (
    QUESTION,
    assert_cells_are_localised,
    assert_frames_feed_their_slots,
    make_batch,
    make_image,
    make_info,
    visual_features,
)
from tam_video.testing.contract import SHORT, ModelContract

__all__ = [
    "QUESTION",
    "SHORT",
    "ModelContract",
    "assert_cells_are_localised",
    "assert_frames_feed_their_slots",
    "make_batch",
    "make_image",
    "make_info",
    "visual_features",
]
