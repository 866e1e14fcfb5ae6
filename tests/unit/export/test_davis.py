import numpy as np
import pytest
from constructed import make_explanation, make_info
from export_readers import davis

from tam_video.errors import ExportError
from tam_video.export.davis import voc_palette
from tam_video.export.exporting import export_explanation


def test_a_pixel_has_the_word_with_the_greatest_value_or_the_first(tmp_path):
    maps = np.zeros((3, 1, 1, 3), np.float32)
    maps[:, 0, 0] = [[1.0, 0.9, 0.0], [0.0, 1.0, 0.8], [0.0, 1.0, 0.9]]
    explanation = make_explanation(maps, info=make_info(num_frames=2, width=6, height=1))
    export_explanation(explanation, ["davis"], tmp_path / "out")
    masks = [read.masks[0][0].tolist() for read in davis(tmp_path / "out", explanation.info)[:2]]
    assert masks == [
        [True, True, False, False, False, False],
        [False, False, True, True, False, False],
    ]
    assert davis(tmp_path / "out", explanation.info)[2].masks[1][0].tolist()[4:] == [True, True]


def test_more_than_255_words_are_refused(tmp_path):
    maps = np.zeros((256, 1, 1, 2), np.float32)
    with pytest.raises(ExportError, match="255 words") as caught:
        export_explanation(make_explanation(maps), ["davis"], tmp_path / "out")
    assert "--word" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_the_palette_is_that_of_voc():
    palette = voc_palette()
    assert palette[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette[[9, 255]].tolist() == [[192, 0, 0], [224, 224, 192]]
    assert len({tuple(colour) for colour in palette.tolist()}) == 256
