from functools import partial

import numpy as np
import pytest

from tam_video.evaluation.score import AnswerTruth
from tam_video.evaluation.sets.base import Frames
from tam_video.evaluation.sets.measure import _score_flip, open_visual
from tam_video.video.frame_folder import FrameFolder

TRUTH = AnswerTruth((), (), ((0,),), explained=((0,),))
MAPS = np.arange(10, dtype=np.float32).reshape(1, 1, 2, 5) / 10


def turns_without(cell):
    """Turns as soon as a cell, counted along the map, is hidden."""
    return lambda keep: ~keep.reshape(len(keep), -1)[:, cell]


@pytest.mark.parametrize(("cell", "area", "within"), [(9, 0.1, 1.0), (8, 0.2, 0.0), (0, 1.0, 0.0)])
def test_flip_area_is_what_was_deleted_when_the_answer_turned(cell, area, within):
    score = partial(_score_flip, flipped=turns_without(cell), steps=10)
    assert score(MAPS, TRUTH, ["amcr", "csr", "viou"]) == {
        "amcr": [pytest.approx(area)],
        "csr": [within],
    }


def test_answer_that_never_turns_has_the_whole_area():
    score = partial(_score_flip, flipped=lambda keep: np.zeros(len(keep), bool), steps=10)
    assert score(MAPS, TRUTH, ["amcr", "csr"]) == {"amcr": [1.0], "csr": [0.0]}


def test_answer_without_yes_or_no_has_no_value():
    truth = AnswerTruth((), (), ((0,),), explained=())
    assert _score_flip(MAPS, truth, ["amcr"], flipped=turns_without(0), steps=10) == {}


def test_folders_of_frames_and_files_are_opened_alike(lookalikes):
    folder = lookalikes.folder("refcoco") / "train2014"
    paths = tuple(sorted(folder.iterdir()))
    assert isinstance(open_visual(Frames(paths, 6.0)), FrameFolder)
    with open_visual(paths[0]) as reader:
        assert reader.info.is_image
