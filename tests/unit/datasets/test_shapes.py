from dataclasses import replace

import numpy as np
import pytest

from tam_video.datasets.questions import when_phrase
from tam_video.datasets.shapes import COLORS, SHAPES, background
from tam_video.datasets.worlds import make_clip, write_scene
from tam_video.video.reader import open_video


def test_same_seed_gives_the_same_clip_and_pixels():
    one, two = make_clip(7), make_clip(7)
    assert one == two
    assert np.array_equal(*(clip.render_frame(3) for clip in (one, two)))


def test_splits_differ():
    assert len({make_clip(7, split=split).objects for split in ("train", "dev", "test")}) == 3


@pytest.mark.parametrize("num_objects", [1, 2, 3])
def test_objects_never_overlap_and_stay_inside(num_objects):
    for seed in range(40):
        clip = make_clip(seed, num_objects=num_objects)
        assert len(clip.objects) == num_objects
        assert len({o.color for o in clip.objects}) == num_objects
        for frame in (0, 11, 24, 36, 47):
            masks = clip.masks(frame)
            assert masks.sum(0).max() <= 1
            for item, mask in zip(clip.objects, masks, strict=True):
                assert mask.any() == item.is_visible(frame)
                assert not mask[[0, -1]].any()
                assert not mask[:, [0, -1]].any()


def test_mask_is_where_the_object_was_drawn():
    clip = make_clip(3, num_objects=1)
    (trajectory,) = clip.objects[0].trajectories
    path = replace(trajectory, first_frame=0, last_frame=47)
    clip = replace(clip, objects=(replace(clip.objects[0], trajectories=(path,)),))
    plain = background(clip.shots[0].texture_seed, width=224, height=224).astype(int)
    drawn = clip.render_frame(10).astype(int)
    mask = clip.masks(10)[0]
    changed = np.abs(drawn - plain).max(-1) > 30
    assert (changed & mask).sum() / mask.sum() > 0.95
    assert (changed & ~mask).sum() / mask.sum() < 0.1


def test_world_is_balanced():
    clips = [make_clip(seed, split="train") for seed in range(300)]
    objects = [o for clip in clips for o in clip.objects]
    assert {o.color for o in objects} == set(COLORS)
    assert {o.shape for o in objects} == set(SHAPES)
    assert {o.motion for o in objects} == {"left", "right", "up", "down", "still"}
    assert {when_phrase(clips[0], o) for o in objects} == {
        "the whole time",
        "only at the start",
        "only at the end",
    }


def test_written_clip_reads_back(tmp_path):
    clip = make_clip(1)
    with open_video(write_scene(clip, tmp_path / "clip.mp4")) as reader:
        assert reader.info.num_frames == clip.num_frames
        assert (reader.info.width, reader.info.height) == (clip.width, clip.height)
        np.testing.assert_allclose(reader.timeline.pts_seconds, np.arange(48) / 12, atol=1e-4)
        read = reader.read([20]).frames[0].astype(int)
    assert np.abs(read - clip.render_frame(20)).mean() < 6


def test_number_of_objects_is_checked():
    with pytest.raises(ValueError, match="1, 2 or 3"):
        make_clip(0, num_objects=4)
