"""Clips of the shape worlds: their objects, rendered pixels and exact masks.

A clip may have a camera that pans, hard cuts, objects that cover each other, several appearances of
one object, a tint, noise and compression of a chosen strength.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from tam_video.datasets.fills import Fill, add_clutter
from tam_video.datasets.shapes import FPS, NUM_FRAMES, SIDE_PX, Motion, background, outline
from tam_video.types import BoolArray, ByteArray, FloatArray

Interval: TypeAlias = tuple[int, int]  # first and last frame, both inclusive
Rgb: TypeAlias = tuple[int, int, int]

BASE_NOISE = 4.0
BASE_CRF = 20


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One appearance of an object: a straight path over some frames.

    Attributes:
        x_px: horizontal centre at frame 0 of the clip, visible then or not, in background pixels.
        y_px: vertical centre, downwards.
        step_px: (x, y) pixels of the background that it moves per frame.
        size_px: diameter in pixels.
        first_frame: first frame of the appearance.
        last_frame: last frame of the appearance (inclusive).
    """

    x_px: float
    y_px: float
    step_px: tuple[float, float]
    size_px: float
    first_frame: int
    last_frame: int

    def center(self, frame: int) -> tuple[float, float]:
        """Return (x, y) of the centre at `frame`, in pixels of the background."""
        return self.x_px + self.step_px[0] * frame, self.y_px + self.step_px[1] * frame

    def includes(self, frame: int) -> bool:
        """Return whether the object exists at `frame`, even if it is outside the picture."""
        return self.first_frame <= frame <= self.last_frame


@dataclass(frozen=True, slots=True)
class SceneObject:
    """An object of a scene, with a unique combination of colour and shape.

    Attributes:
        color: a key of `COLORS`.
        shape: one of `SHAPES` or `PICTOGRAMS`.
        motion: how it moves, where one word is true relative to the background and to the picture;
            None where there is no such word.
        rgb: its colour in this clip.
        layer: objects of a higher layer are painted over those of a lower one.
        trajectories: its appearances, in order, no two at the same frame.
        visible: the intervals of frames in which a pixel of it is visible, from `with_visible`.
        fill: the pattern of its colour; None for one colour.
    """

    color: str
    shape: str
    motion: Motion | None
    rgb: Rgb
    layer: int
    trajectories: tuple[Trajectory, ...]
    visible: tuple[Interval, ...] = ()
    fill: Fill | None = None

    @property
    def name(self) -> str:
        """The colour and the shape, such as "red star"."""
        return f"{self.color} {self.shape}"

    @property
    def visible_frames(self) -> tuple[int, ...]:
        """The frames in which at least one pixel of the object is visible."""
        return tuple(frame for first, last in self.visible for frame in range(first, last + 1))

    def is_visible(self, frame: int) -> bool:
        """Return whether at least one pixel of the object is visible at `frame`."""
        return any(first <= frame <= last for first, last in self.visible)

    def trajectory_at(self, frame: int) -> Trajectory | None:
        """Return the trajectory at `frame`, or None if the object does not exist then."""
        return next(
            (trajectory for trajectory in self.trajectories if trajectory.includes(frame)), None
        )


@dataclass(frozen=True, slots=True)
class Shot:
    """A background and the camera's path over it, until the next shot.

    Attributes:
        texture_seed: seed of the background, and of the noise of its frames.
        width: pixels of the background, at least those of the picture.
        height: the same, downwards.
        first_frame: first frame of the shot.
        camera_px: (x, y) of the picture's top left corner on the background, at `first_frame`.
        pan_px: (x, y) pixels that the camera moves per frame.
        tint: colour that the background is mixed with.
        tint_share: share of `tint` in the mix, 0 to 1.
        clutter: number of small grey pieces and lines on the background.
    """

    texture_seed: int
    width: int = SIDE_PX
    height: int = SIDE_PX
    first_frame: int = 0
    camera_px: tuple[float, float] = (0.0, 0.0)
    pan_px: tuple[float, float] = (0.0, 0.0)
    tint: Rgb = (0, 0, 0)
    tint_share: float = 0.0
    clutter: int = 0

    def camera(self, frame: int) -> tuple[int, int]:
        """Return the position (x, y) of the picture's top left corner on the background.

        In whole pixels, so that objects and background move by exactly the same.
        """
        since = frame - self.first_frame
        return (
            round(self.camera_px[0] + self.pan_px[0] * since),
            round(self.camera_px[1] + self.pan_px[1] * since),
        )


@dataclass(frozen=True, slots=True)
class SceneClip:
    """A clip of a shape world: its objects, shots and rendering parameters.

    Attributes:
        objects: in the order of `COLORS`, then of `SHAPES`.
        shots: in order, the first from frame 0.
        num_frames: frames.
        fps: frames per second.
        width: pixels.
        height: pixels.
        noise: standard deviation of the grey noise, in steps of 0..255.
        crf: x264 quality of its file.
    """

    objects: tuple[SceneObject, ...]
    shots: tuple[Shot, ...]
    num_frames: int = NUM_FRAMES
    fps: int = FPS
    width: int = SIDE_PX
    height: int = SIDE_PX
    noise: float = BASE_NOISE
    crf: int = BASE_CRF

    def shot_at(self, frame: int) -> Shot:
        """Return the shot that `frame` belongs to."""
        return next(shot for shot in reversed(self.shots) if shot.first_frame <= frame)

    def render_frame(self, frame: int) -> ByteArray:
        """Compute the pixels of one frame: uint8 [height, width, 3] RGB."""
        return render_frame(self, frame)

    def masks(self, frame: int) -> BoolArray:
        """Compute which pixels of every object are visible: bool [objects, height, width].

        A pixel belongs to an object that covers more than half of it, so no pixel belongs to two.
        """
        return visible_shares(self, frame) > 0.5


def object_mask(
    item: SceneObject,
    frame: int,
    *,
    width: int = SIDE_PX,
    height: int = SIDE_PX,
    scale: float = 1.0,
    camera: tuple[int, int] = (0, 0),
) -> ByteArray:
    """Compute the antialiased coverage of one object at one frame: uint8 [height, width].

    Args:
        item: the object.
        frame: 0-based frame number; the result is 0 where the object does not appear.
        width: pixels of the result.
        height: pixels of the result.
        scale: pixels of the result per pixel of the clip.
        camera: (x, y) of the picture's corner on the background.
    """
    import cv2

    mask = np.zeros((height, width), np.uint8)
    trajectory = item.trajectory_at(frame)
    if trajectory is None:
        return mask
    center = np.subtract(trajectory.center(frame), camera)
    shift = 4
    polygons = [
        np.round(((points * trajectory.size_px + center) * scale - 0.5) * 2**shift).astype(np.int32)
        for points in outline(item.shape)
    ]
    cv2.fillPoly(mask, polygons, 255, lineType=cv2.LINE_AA, shift=shift)
    return mask


def coverage(clip: SceneClip, item: SceneObject, frame: int) -> ByteArray:
    """Compute an object's coverage of each pixel as if it were alone: uint8 [height, width]."""
    camera = clip.shot_at(frame).camera(frame)
    return object_mask(item, frame, width=clip.width, height=clip.height, camera=camera)


def visible_shares(clip: SceneClip, frame: int) -> FloatArray:
    """Compute each object's visible share of every pixel: float32 [objects, height, width].

    The rest up to 1 is background.
    """
    shares = np.zeros((len(clip.objects), clip.height, clip.width), np.float32)
    uncovered = np.ones((clip.height, clip.width), np.float32)
    for number in reversed(_paint_order(clip)):
        item = clip.objects[number]
        if item.trajectory_at(frame) is not None:
            cover = coverage(clip, item, frame).astype(np.float32) / 255
            shares[number] = cover * uncovered
            uncovered *= 1 - cover
    return shares


def _paint_order(clip: SceneClip) -> list[int]:
    return sorted(range(len(clip.objects)), key=lambda number: clip.objects[number].layer)


@lru_cache(maxsize=4)
def _whole_background(shot: Shot) -> ByteArray:
    """Compute the whole background of a shot, and cache it: uint8 [shot.height, shot.width, 3]."""
    plain = background(shot.texture_seed, width=shot.width, height=shot.height)
    if shot.tint_share:
        mixed = plain * (1 - shot.tint_share) + np.array(shot.tint) * shot.tint_share
        plain = np.clip(mixed, 0, 255).astype(np.uint8)
    if shot.clutter:
        plain = add_clutter(plain, shot.clutter, seed=shot.texture_seed)
    plain.flags.writeable = False
    return plain


def backdrop(clip: SceneClip, frame: int) -> ByteArray:
    """Compute a frame without objects or noise: uint8 [height, width, 3] RGB."""
    shot = clip.shot_at(frame)
    left, top = shot.camera(frame)
    return _whole_background(shot)[top : top + clip.height, left : left + clip.width]


def render_frame(clip: SceneClip, frame: int, *, behind: ByteArray | None = None) -> ByteArray:
    """Compute the pixels of one frame: uint8 [height, width, 3] RGB.

    They are painted over `behind`, uint8 of the same shape, by default `backdrop(clip, frame)`.
    """
    if not 0 <= frame < clip.num_frames:
        raise ValueError(f"frame must be in 0..{clip.num_frames - 1}, not {frame}")
    canvas = (backdrop(clip, frame) if behind is None else behind).astype(np.float32)
    for number in _paint_order(clip):
        item = clip.objects[number]
        if item.trajectory_at(frame) is not None:
            cover = coverage(clip, item, frame)[..., None].astype(np.float32) / 255
            canvas += cover * (_paint(clip, item, frame) - canvas)
    rng = np.random.default_rng([clip.shot_at(frame).texture_seed, frame])
    grain = rng.standard_normal((clip.height, clip.width, 1), dtype=np.float32)
    return np.clip(canvas + np.float32(clip.noise) * grain, 0, 255).astype(np.uint8)


def _paint(clip: SceneClip, item: SceneObject, frame: int) -> FloatArray:
    """Return an object's colour, float32 [3], or [height, width, 3] if it has a pattern."""
    rgb = np.array(item.rgb, np.float32)
    trajectory = item.trajectory_at(frame)
    if item.fill is None or trajectory is None:
        return rgb
    left, top = np.subtract(trajectory.center(frame), clip.shot_at(frame).camera(frame))
    y, x = np.mgrid[: clip.height, : clip.width] + 0.5
    size = trajectory.size_px
    return item.fill.brightness((x - left) / size, (y - top) / size)[..., None] * rgb


def with_visible(clip: SceneClip) -> SceneClip:
    """Return a copy of the clip with the `visible` intervals of every object filled in."""
    visible: list[list[int]] = [[] for _ in clip.objects]
    for frame in range(clip.num_frames):
        for number in np.flatnonzero(clip.masks(frame).any(axis=(1, 2))):
            visible[number].append(frame)
    objects = tuple(
        replace(item, visible=_intervals(frames))
        for item, frames in zip(clip.objects, visible, strict=True)
    )
    return replace(clip, objects=objects)


def _intervals(frames: Sequence[int]) -> tuple[Interval, ...]:
    """Join sorted frame numbers into intervals of consecutive frames."""
    if not frames:
        return ()
    gaps = [(one, other) for one, other in pairwise(frames) if other > one + 1]
    starts = [frames[0], *(after for _, after in gaps)]
    ends = [*(before for before, _ in gaps), frames[-1]]
    return tuple(zip(starts, ends, strict=True))
