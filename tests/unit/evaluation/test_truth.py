from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tam_video.datasets.worlds import make_world
from tam_video.evaluation.truth import answer_truth, view_masks
from tam_video.types import FrameBatch, Generation, Message, Token, VideoInfo, View, VisualLayout

LAYOUT = VisualLayout(3, 7, 7, ((0, 1), (2, 3), (4, 5)))


@pytest.fixture(scope="module")
def clip():
    return make_world("base", 3)


def batch_of(clip, num_frames=6):
    indices = np.linspace(0, clip.num_frames - 1, num_frames).round().astype(np.int64)
    info = VideoInfo(Path("clip.mp4"), clip.num_frames, 8, 8, 12, 4.0)
    frames = np.zeros((num_frames, 8, 8, 3), np.uint8)
    return FrameBatch(frames, indices, indices / 12, info)


def say(*pieces):
    """A generation whose answer has these tokens."""
    tokens, start = [], 0
    for index, piece in enumerate(pieces):
        tokens.append(Token(index, 5, piece, "answer", 147 + index, start, start + len(piece)))
        start += len(piece)
    num_tokens = len(tokens)
    return Generation(
        conversation=(Message("user", "?"),),
        prompt_text="",
        answer="".join(pieces),
        tokens=tuple(tokens),
        num_prompt_tokens=0,
        layouts=(LAYOUT,),
        visual_positions=np.arange(147),
        text_positions=147 + np.arange(num_tokens),
        scores=np.zeros((147 + num_tokens, num_tokens), np.float32),
    )


def test_words_find_their_objects(clip):
    item = clip.objects[0]
    truth = answer_truth(
        clip, batch_of(clip), say("A ", f"{item.color} ", item.shape, " runs", ".")
    )
    color, shape = truth.objects
    assert color.token_indices == (1,)
    assert shape.token_indices == (2,)
    assert color.cells.shape == LAYOUT.shape
    assert color.cells.any()
    assert color.pixels.shape == (6, clip.height, clip.width)
    seen = clip.masks(0)[0]
    np.testing.assert_array_equal(color.pixels[0], seen)
    assert truth.function_words == ((0,),)
    assert truth.frame_slots == LAYOUT.frame_slots


def test_word_of_no_object_has_empty_masks(clip):
    absent = ({"red", "blue", "green", "cyan"} - {item.color for item in clip.objects}).pop()
    (word,) = answer_truth(clip, batch_of(clip), say(absent)).objects
    assert not (word.cells.any())
    assert not (word.pixels.any())
    assert not word.visible.any()


def test_slots_without_the_object_are_reported(clip):
    (trajectory,) = clip.objects[0].trajectories
    item = replace(clip.objects[0], trajectories=(replace(trajectory, last_frame=5),))
    short = replace(clip, objects=(item, *clip.objects[1:]))
    word = answer_truth(short, batch_of(short), say(item.color)).objects[0]
    assert word.visible.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("view", "shape"),
    [
        (View(), (224, 224)),
        (View(0.25, 0.0, 0.75, 1.0), (224, 112)),
        (View(-0.5, 0.0, 1.5, 1.0), (224, 448)),
        (View(0.0, -0.25, 0.5, 1.0), (280, 112)),
    ],
)
def test_masks_are_those_of_the_view(clip, view, shape):
    masks = view_masks(clip, np.array([0, 20]), view)
    assert masks.shape == (len(clip.objects), 2, *shape)
    whole = view_masks(clip, np.array([0, 20]), View())
    top, left = round(view.top * 224), round(view.left * 224)
    for y, x in ((50, 70), (100, 80), (180, 60)):
        np.testing.assert_array_equal(masks[:, :, y - top, x - left], whole[:, :, y, x])
