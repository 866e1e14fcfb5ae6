from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tam_video.datasets.scene import backdrop, object_mask, render_frame, visible_shares
from tam_video.datasets.shapes import COLORS, SHAPES, background
from tam_video.datasets.worlds import WORLDS, make_clip, make_world, write_scene
from tam_video.errors import UnknownNameError
from tam_video.video.reader import open_video

EVERY = pytest.mark.parametrize("world", sorted(WORLDS))
FIRST_OBJECTS = {
    "base": ["red square", "orange square", "yellow cross"],
    "pan": ["yellow square", "green star", "white square"],
    "occlusion": ["red star", "yellow star", "white cross"],
    "distractors": ["blue triangle", "purple triangle", "purple star", "purple cross"],
    "cut": ["orange square", "yellow star", "white square"],
    "long": ["yellow square", "green circle", "cyan triangle", "purple star"],
    "low-contrast": ["red ring"],
}
FIRST_VISIBLE = {
    "base": ((0, 19),),
    "pan": ((0, 47),),
    "occlusion": ((0, 20),),
    "distractors": ((0, 23),),
    "cut": ((0, 24),),
    "long": ((27, 59),),
    "low-contrast": ((0, 24),),
}


@cache
def clip_of(world, seed=0):
    return make_world(world, seed)


def telling_frames(clip):
    """Some frames all over the clip and those around every start and end of a visible interval."""
    parts = {part for item in clip.objects for part in item.visible}
    near = {frame for first, last in parts for frame in (first - 1, first, last, last + 1)}
    return sorted(
        f
        for f in near | set(range(0, clip.num_frames, clip.num_frames // 3))
        if 0 <= f < clip.num_frames
    )


def painted_alone(clip, number, frame):
    """What an object adds to the picture: white on black, all others black, no noise."""
    lit = [
        replace(item, rgb=(255, 255, 255) if k == number else (0, 0, 0))
        for k, item in enumerate(clip.objects)
    ]
    black = np.zeros((clip.height, clip.width, 3), np.uint8)
    return render_frame(replace(clip, objects=tuple(lit), noise=0.0), frame, behind=black)[..., 0]


@EVERY
def test_a_seed_gives_one_clip_everywhere(world):
    clip = clip_of(world)
    assert make_world(world, 0) == clip
    assert [item.name for item in clip.objects] == FIRST_OBJECTS[world]
    assert clip.objects[0].visible == FIRST_VISIBLE[world]
    frame = clip.num_frames // 2
    assert np.array_equal(make_world(world, 0).render_frame(frame), clip.render_frame(frame))


def shapes_frame(clip, frame):
    """A frame and masks of a clip of shapes, painted object by object."""
    texture_seed = clip.shots[0].texture_seed
    canvas = background(texture_seed, width=224, height=224).astype(np.float32)
    masks = [object_mask(item, frame) for item in clip.objects]
    for item, mask in zip(clip.objects, masks, strict=True):
        cover = mask[..., None].astype(np.float32) / 255
        canvas += cover * (np.array(item.rgb, np.float32) - canvas)
    rng = np.random.default_rng([texture_seed, frame])
    canvas += 4 * rng.standard_normal((224, 224, 1), dtype=np.float32)
    return np.clip(canvas, 0, 255).astype(np.uint8), np.stack(masks) > 127


def test_base_is_the_world_of_shapes_to_the_pixel():
    for seed in (0, 3):
        clip = make_world("base", seed, split="dev")
        assert clip == make_clip(seed, split="dev")
        for frame in (0, 20, 47):
            pixels, masks = shapes_frame(clip, frame)
            assert np.array_equal(clip.render_frame(frame), pixels)
            assert np.array_equal(clip.masks(frame), masks)
        for item in clip.objects:
            (trajectory,) = item.trajectories
            assert item.visible == ((trajectory.first_frame, trajectory.last_frame),)


def test_no_clip_is_in_two_splits_or_worlds():
    seeds = set()
    for world in sorted(WORLDS):
        seeds |= {shot.texture_seed for shot in clip_of(world).shots}
        for split in ("train", "dev"):
            seeds |= {shot.texture_seed for shot in make_world(world, 0, split=split).shots}
    assert len(seeds) == 3 * (len(WORLDS) + 1)  # a clip with a cut has two backgrounds


@EVERY
@pytest.mark.parametrize("seed", [0, 1])
def test_objects_are_in_order_and_visible(world, seed):
    clip = clip_of(world, seed)
    order = [(list(COLORS).index(o.color), SHAPES.index(o.shape)) for o in clip.objects]
    assert order == sorted(set(order))
    for item in clip.objects:
        assert len(item.visible_frames) >= 12
        assert all(item.is_visible(frame) for frame in item.visible_frames)
        assert set(item.visible_frames) <= {
            f
            for trajectory in item.trajectories
            for f in range(trajectory.first_frame, trajectory.last_frame + 1)
        }


@EVERY
def test_masks_are_the_pixels_mostly_covered_by_the_object(world):
    clip = clip_of(world)
    for frame in telling_frames(clip):
        masks = clip.masks(frame)
        assert masks.shape == (len(clip.objects), clip.height, clip.width)
        assert masks.dtype == np.bool_
        assert masks.sum(0).max() <= 1
        for number, mask in enumerate(masks):
            seen = painted_alone(clip, number, frame).astype(int)
            sure = abs(seen - 127.5) > 2  # rounding of the layers above it
            assert np.array_equal(mask[sure], (seen > 127)[sure])
            assert clip.objects[number].is_visible(frame) == mask.any()


@EVERY
def test_masks_are_where_the_picture_changes_without_the_object(world):
    clip = replace(clip_of(world, 1), noise=0.0)
    frame = clip.objects[0].visible_frames[len(clip.objects[0].visible_frames) // 2]
    whole = clip.render_frame(frame).astype(int)
    for number, mask in enumerate(clip.masks(frame)):
        others = clip.objects[:number] + clip.objects[number + 1 :]
        without = replace(clip, objects=others).render_frame(frame).astype(int)
        changed = np.abs(whole - without).max(-1)
        contrast = np.abs(np.array(clip.objects[number].rgb) - without).max(-1)
        differs = changed > contrast / 2
        assert (differs & mask).sum() >= 0.96 * mask.sum()
        assert (differs & ~mask & (contrast > 20)).sum() <= 0.04 * mask.sum()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_object_passes_in_front_of_another(seed):
    clip = replace(clip_of("occlusion", seed), noise=0.0)
    behind, front = sorted(
        (item for item in clip.objects if item.layer > 0), key=lambda item: item.layer
    )
    k, j = clip.objects.index(behind), clip.objects.index(front)
    alone = replace(clip, objects=(behind,))
    hidden = {}
    for frame in range(0, 48, 2):
        whole = alone.masks(frame)[0]
        masks = clip.masks(frame)
        assert not (masks[k] & ~whole).any()
        hidden[frame] = 1 - masks[k].sum() / whole.sum()
    assert max(hidden.values()) > 0.35
    assert sum(share < 0.1 for share in hidden.values()) * 2 >= 12
    frame = max(hidden, key=hidden.__getitem__)
    over = (replace(clip, objects=(front,)).masks(frame)[0]) & alone.masks(frame)[0]
    sure = over & (visible_shares(clip, frame)[j] > 0.99)
    assert sure.any()
    assert (np.abs(clip.render_frame(frame)[sure].astype(int) - front.rgb) <= 1).all()
    assert not clip.masks(frame)[k][sure].any()


@pytest.mark.parametrize(("seed", "axis"), [(2, 0), (5, 0), (4, 1)])
def test_the_pan_moves_background_and_objects_alike(seed, axis):
    clip = clip_of("pan", seed)
    (shot,) = clip.shots
    (left, top), (right, bottom) = shot.camera(0), shot.camera(47)
    dx, dy = right - left, bottom - top
    assert 50 <= abs((dx, dy)[axis]) <= 84
    assert (dx, dy)[1 - axis] == 0
    first, last = backdrop(clip, 0), backdrop(clip, 47)
    assert first.shape == last.shape == (224, 224, 3)
    ys, xs = slice(max(dy, 0), 224 + min(dy, 0)), slice(max(dx, 0), 224 + min(dx, 0))
    ys2, xs2 = slice(max(-dy, 0), 224 + min(-dy, 0)), slice(max(-dx, 0), 224 + min(-dx, 0))
    assert np.array_equal(first[ys, xs], last[ys2, xs2])
    still = replace(
        clip.objects[0], trajectories=(replace(clip.objects[0].trajectories[0], step_px=(0, 0)),)
    )
    one, two = (replace(clip, objects=(still,)).masks(frame)[0] for frame in (0, 47))
    assert one[ys, xs].any()
    # Antialiasing of a shape that the picture cuts off differs in a few pixels of the border.
    assert (one[ys, xs] != two[ys2, xs2]).sum() <= 4


def test_a_pan_leaves_motion_words_to_what_is_clear():
    clips = [clip_of("pan", seed) for seed in range(6)]
    motions = [item.motion for clip in clips for item in clip.objects]
    assert "still" not in motions
    assert None in motions
    assert set(motions) - {None}


@pytest.mark.parametrize("seed", range(3))
def test_distractors_share_a_color_and_a_shape(seed):
    names = [(item.color, item.shape) for item in clip_of("distractors", seed).objects]
    assert len(set(names)) == len(names) in (3, 4)
    assert any(
        any(c == color and s != shape for c, s in names)
        and any(s == shape and c != color for c, s in names)
        for color, shape in names
    )


@pytest.mark.parametrize("seed", [0, 2, 7])
def test_a_cut_changes_the_background_and_moves_the_objects(seed):
    clip = clip_of("cut", seed)
    cut = clip.shots[1].first_frame
    assert not np.array_equal(backdrop(clip, cut - 1), backdrop(clip, cut))
    assert np.array_equal(backdrop(clip, cut), backdrop(clip, 47))
    before, after = clip.masks(cut - 1), clip.masks(cut)
    assert not np.array_equal(before.any((1, 2)), after.any((1, 2)))
    pairs = list(zip(before, after, strict=True))
    assert all(one.any() or other.any() for one, other in pairs)
    both = [k for k, (one, other) in enumerate(pairs) if one.any() and other.any()]
    assert both
    for index in both:
        places = [np.argwhere(mask).mean(0) for mask in pairs[index]]
        assert np.hypot(*(places[1] - places[0])) > 50
        assert len(clip.objects[index].trajectories) == 2


def test_events_of_a_long_clip_are_short():
    clip = clip_of("long")
    assert clip.num_frames / clip.fps * 3 == 64
    lengths = [len(item.visible_frames) for item in clip.objects]
    assert all(24 <= length <= 48 or length == clip.num_frames for length in lengths)
    assert min(lengths) <= 48


def test_low_contrast_keeps_the_name_of_every_color():
    palette = np.array(list(COLORS.values()))
    base = np.mean([contrast(make_world("base", seed)) for seed in range(4)])
    assert np.mean([contrast(clip_of("low-contrast", seed)) for seed in range(4)]) < base / 1.5
    for item in (item for seed in range(4) for item in clip_of("low-contrast", seed).objects):
        nearest = np.linalg.norm(palette - item.rgb, axis=1).argmin()
        assert list(COLORS)[nearest] == item.color


def contrast(clip):
    """Distance of the colour nearest to the background."""
    behind = backdrop(clip, 0).mean((0, 1))
    return min(np.linalg.norm(np.array(item.rgb) - behind) for item in clip.objects)


@EVERY
def test_a_written_clip_reads_back(world, tmp_path):
    whole = clip_of(world, 1)
    clip = replace(whole, num_frames=min(whole.num_frames, 32))
    with open_video(write_scene(clip, tmp_path / "clip.mp4")) as reader:
        assert reader.info.num_frames == clip.num_frames
        assert (reader.info.width, reader.info.height) == (clip.width, clip.height)
        np.testing.assert_allclose(
            reader.timeline.pts_seconds, np.arange(clip.num_frames) / clip.fps, atol=1e-4
        )
        read = reader.read([1, 30]).frames.astype(int)
    clean = replace(clip, noise=0.0)
    for picture, frame in zip(read, (1, 30), strict=True):
        assert np.abs(picture - clean.render_frame(frame)).mean() < 4 + clip.noise


def test_unknown_worlds_seeds_and_frames_raise():
    with pytest.raises(UnknownNameError, match="oclusion"):
        make_world("oclusion", 0)
    with pytest.raises(ValueError, match="must be at least 0"):
        make_world("base", -1)
    with pytest.raises(ValueError, match="not 0 and 'val'"):
        make_world("pan", 0, split="val")
    with pytest.raises(ValueError, match="not 48"):
        clip_of("base").render_frame(48)
