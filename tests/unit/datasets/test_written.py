"""Outlines of signs with written words."""

import cv2
import numpy as np
import pytest

from tam_video.datasets.scene import SceneClip, SceneObject, Shot, Trajectory, object_mask
from tam_video.datasets.worlds import make_clip
from tam_video.datasets.written import SIGNS, sign_outline
from tam_video.evaluation.truth import names_object
from tam_video.types import Word

SIDE = 224


def sign(name: str, size_px: float = 200.0) -> SceneObject:
    trajectory = Trajectory(SIDE / 2, SIDE / 2, (0.0, 0.0), size_px, 0, 47)
    return SceneObject("red", name, "still", (222, 36, 40), 0, (trajectory,))


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_is_a_wide_plate_with_its_letters_inside(name: str) -> None:
    plate, *letters = sign_outline(name)
    low, high = plate.min(axis=0), plate.max(axis=0)
    assert len(plate) == 4
    np.testing.assert_allclose(low + high, 0, atol=1e-9)
    np.testing.assert_allclose(high[0] - low[0], 1)
    assert 0.25 < high[1] - low[1] < 0.75
    assert len(letters) >= 4
    for letter in letters:
        assert (letter > low).all()
        assert (letter < high).all()


@pytest.mark.parametrize("name", SIGNS)
def test_the_letters_of_a_sign_are_cut_out(name: str) -> None:
    mask = object_mask(sign(name), 0) > 127
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert 0.45 < box.mean() < 0.8
    edges = (box[0], box[-1], box[:, 0], box[:, -1])
    assert all(edge.all() for edge in edges)
    holes, _ = cv2.connectedComponents((~box).astype(np.uint8), connectivity=8)
    assert 3 <= holes - 1 <= 4  # a hole for each letter; those of "A" and "X" touch


def test_the_middle_of_a_letter_o_belongs_to_the_plate() -> None:
    """Even-odd fill: the inner edge of a letter is an edge of the plate again."""
    for name, closed in (("OPEN sign", 2), ("STOP sign", 2), ("TAXI sign", 1), ("EXIT sign", 0)):
        mask = (object_mask(sign(name), 0) > 127).astype(np.uint8)
        islands, _ = cv2.connectedComponents(mask)
        assert islands - 1 == 1 + closed


def test_signs_differ() -> None:
    masks = [object_mask(sign(name), 0) > 127 for name in SIGNS]
    for number, one in enumerate(masks):
        assert all((one != other).mean() > 0.01 for other in masks[:number])


def test_an_unknown_sign_is_refused() -> None:
    with pytest.raises(ValueError, match="'DANCE sign' is not a known sign"):
        sign_outline("DANCE sign")


def test_a_sign_is_painted_where_its_mask_is() -> None:
    clip = SceneClip((sign("EXIT sign"),), (Shot(3),), noise=0.0)
    [mask] = clip.masks(0)
    frame = clip.render_frame(0).astype(int)
    whole = object_mask(clip.objects[0], 0) == 255
    assert (frame[whole] == clip.objects[0].rgb).all()
    assert (np.abs(frame[~mask] - clip.objects[0].rgb).max(axis=-1) > 30).all()


@pytest.mark.parametrize("text", ["EXIT", "Exit", "sign", "stop", "sale", "taxi", "open"])
def test_the_words_of_a_sign_name_an_object(text: str) -> None:
    assert names_object(Word(0, text, 0, len(text), (0,), is_content=True))


@pytest.mark.parametrize("text", ["signs", "exits", "ex", "", "a", "moves"])
def test_other_words_do_not(text: str) -> None:
    assert not names_object(Word(0, text, 0, len(text), (0,), is_content=True))


def test_clips_of_signs_are_drawn_like_others() -> None:
    clips = [make_clip(seed, split="dev", shapes=SIGNS) for seed in range(10)]
    assert {item.shape for clip in clips for item in clip.objects} == set(SIGNS)
    for clip in clips:
        areas = clip.masks(clip.objects[0].visible_frames[0])[0].mean()
        assert 0.01 < areas < 0.08
