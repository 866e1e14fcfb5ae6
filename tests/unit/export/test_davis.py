import numpy as np
import pytest
from constructed import make_explanation, make_info
from export_readers import davis
from PIL import Image

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


def test_pictures_are_named_by_their_frame_and_hold_the_number_of_the_word(tmp_path):
    maps = np.zeros((2, 2, 1, 3), np.float32)
    maps[0, 0, 0, 0], maps[1, 0, 0, 2], maps[1, 1, 0, 1] = 1.0, 1.0, 0.5
    info = make_info(num_frames=4, width=3, height=2)
    explanation = make_explanation(maps, words=["red", "star"], info=info)
    export_explanation(explanation, ["davis"], tmp_path, keep="all")
    assert (tmp_path / "davis" / "labels.txt").read_text() == "1 red\n2 star\n"
    folder = tmp_path / "davis" / "Annotations" / "the_clip"
    pictures = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as picture:
            assert picture.mode == "P"
            assert picture.getpalette()[:12] == voc_palette()[:4].ravel().tolist()
            pictures[path.name] = np.asarray(picture).tolist()
    one, two = [[1, 0, 2]] * 2, [[0, 2, 0]] * 2
    assert pictures == {
        "00000.png": one,
        "00001.png": one,
        "00002.png": two,
        "00003.png": two,
    }


def test_255_words_are_written(tmp_path):
    maps = np.zeros((255, 1, 1, 2), np.float32)
    maps[254, 0, 0, 1] = 1.0
    export_explanation(make_explanation(maps, info=make_info(num_frames=1)), ["davis"], tmp_path)
    (path,) = (tmp_path / "davis" / "Annotations" / "the_clip").iterdir()
    with Image.open(path) as picture:
        assert np.unique(np.asarray(picture)).tolist() == [0, 255]
