"""Clips and flows of known motion, and a reference implementation of the alignment."""

from __future__ import annotations

import math

import cv2
import numpy as np

from tam_video.tam.motion import GridFlow, SlotMotion
from tam_video.types import View, VisualLayout

WHOLE = View()


def texture(seed, height, width, *, finest=1):
    """A picture with as much contrast at coarse scales as natural ones have."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for octave in range(finest, 7):
        shape = (max(2, height >> octave), max(2, width >> octave), 3)
        coarse = rng.random(shape)
        picture += 2.0**octave * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    picture -= picture.min()
    return (picture / picture.max() * 255).astype(np.uint8)


def panned(step, *, count=3, height=192, width=256, seed=0):
    """Frames over a texture whose content moves by `step` (rows, columns) pixels a frame."""
    canvas = texture(seed, height + 200, width + 200)
    starts = [(100 - k * step[0], 100 - k * step[1]) for k in range(count)]
    return np.stack([canvas[y : y + height, x : x + width] for y, x in starts])


def layout_of(num_slots, *, frames_per_slot=1, grid=(12, 16), view=WHOLE):
    slots = [tuple(range(k * frames_per_slot, (k + 1) * frames_per_slot)) for k in range(num_slots)]
    return VisualLayout(num_slots, *grid, tuple(slots), view=view)


def flow_of(forward, backward=None, inside=None):
    forward = np.asarray(forward, np.float32)
    backward = -forward if backward is None else np.asarray(backward, np.float32)
    inside = np.ones(forward.shape[1:3], bool) if inside is None else inside
    return GridFlow(forward=forward, backward=backward, in_picture=inside)


def uniform(shape, step):
    return flow_of(np.broadcast_to(np.float32(step), (shape[0] - 1, *shape[1:], 2)))


def motion_of(shape, flow=None, cuts=None):
    """Motion of a grid (t, h, w): no flow is flow of 0, no cuts are cuts nowhere."""
    cuts = np.zeros(shape[0] - 1, np.bool_) if cuts is None else cuts
    return SlotMotion(uniform(shape, (0, 0)) if flow is None else flow, cuts)


def slow_read(plane, place, *, inside, home):
    """Bilinear mean over the cells that may be read, or None where they weigh below a half."""
    top, left = math.floor(place[0]), math.floor(place[1])
    total = mass = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1 - abs(place[0] - row)) * (1 - abs(place[1] - column))
            if not (0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]):
                continue
            if inside[row, column] != home:
                continue
            total += weight * plane[row, column]
            mass += weight
    return None if mass < 0.5 - 1e-6 else total / mass


def slow_neighbour(plane_of, flow, cuts, *, slot, cell, distance, limit=None):
    """The value of one cell seen from `slot`, followed slot by slot; None where it is missing."""
    step = 1 if distance > 0 else -1
    ahead, back = (flow.forward, flow.backward) if step > 0 else (flow.backward, flow.forward)
    everywhere = np.ones_like(flow.in_picture)
    place = np.array(cell, dtype=np.float64)
    value = None
    for _ in range(abs(distance)):
        pair = slot if step > 0 else slot - 1
        slot += step
        if not 0 <= slot < flow.shape[0] or cuts[pair]:
            return None

        def at(field, where):
            near = np.clip(where, 0, np.array(flow.shape[1:]) - 1)
            return np.array(
                [slow_read(field[..., k], near, inside=everywhere, home=True) for k in (0, 1)]
            )

        moved = place + at(ahead[pair], place)
        if limit is not None:
            home = moved + at(back[pair], moved)
            if np.square(home - place).sum() > limit**2:
                return None
        place = moved
        value = slow_read(plane_of(slot), place, inside=flow.in_picture, home=flow.in_picture[cell])
        if value is None:
            return None
    return value


def moving_square(*, slots=6, step=3, grid=(12, 20), cell=16, side=3):
    """Frames of a patterned square before a still texture, and its cells as maps [1, t, h, w]."""
    height, width = grid[0] * cell, grid[1] * cell
    background, square = texture(1, height, width) // 2, 255 - texture(2, height, width) // 2
    frames = np.stack([background] * slots)
    maps = np.zeros((1, slots, *grid), np.float32)
    for slot in range(slots):
        row, column = 4, 1 + step * slot
        rows, columns = slice(row, row + side), slice(column, column + side)
        pixels = np.s_[row * cell : (row + side) * cell, column * cell : (column + side) * cell]
        frames[slot][pixels] = square[: side * cell, : side * cell]
        maps[0, slot, rows, columns] = 1
    return frames, maps
