"""What family files share when they place visual tokens: runs, counts, slots and views.

Pure functions over positions and sizes. Knows nothing of any family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import EncodedPrompt, PlacedLayout
from tam_video.types import FrameBatch, IntArray, View, VisualLayout

Kind: TypeAlias = Literal["video", "image"]

FOREIGN = "the chat template or the processor is not the family's own"


def split_runs(positions: IntArray) -> list[IntArray]:
    """Cut ascending positions int64 [n] where they are not neighbours."""
    if len(positions) == 0:
        return []
    return np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1)


def split_counts(positions: IntArray, counts: Sequence[int], *, kind: str) -> list[IntArray]:
    """Share out ascending positions int64 [n] among inputs that want so many each, in order.

    Args:
        positions: int64 [n].
        counts: visual tokens of each input.
        kind: what they are ("video"), for the message.

    Raises:
        TokenAlignmentError: there are more or fewer positions than wanted.
    """
    if len(positions) != sum(counts):
        raise TokenAlignmentError(
            f"{len(positions)} {kind} tokens in the prompt, the grids want {sum(counts)}",
            hint=FOREIGN,
        )
    bounds = np.cumsum([0, *counts]).tolist()
    return [positions[start:end] for start, end in pairwise(bounds)]


def check_runs(positions: IntArray, lengths: Sequence[int], *, kind: str) -> None:
    """Check that positions int64 [n] are neighbours in runs of the given lengths.

    Raises:
        TokenAlignmentError: they are not; the grid is not what the prompt was made with.
    """
    found = [len(run) for run in split_runs(positions)]
    if found != list(lengths):
        raise TokenAlignmentError(
            f"the {kind} tokens come in {len(found)} runs of {sorted(set(found))}, expected "
            f"{len(lengths)} of {sorted(set(lengths))}",
            hint=FOREIGN,
        )


def place_videos_and_images(
    prompt: EncodedPrompt,
    place: Callable[[Kind, tuple[FrameBatch, ...]], Sequence[PlacedLayout]],
) -> tuple[PlacedLayout, ...]:
    """Place videos and images apart and give them back in the order of the prompt.

    Args:
        prompt: the encoded prompt.
        place: places the inputs of one kind; it is asked for kinds without inputs too, so that
            placeholders nobody wants are seen.

    Raises:
        TokenAlignmentError: `place` does.
    """
    kinds: tuple[Kind, Kind] = ("video", "image")
    placed = {
        kind: iter(place(kind, tuple(batch for batch in prompt.inputs if _kind(batch) == kind)))
        for kind in kinds
    }
    return tuple(next(placed[_kind(batch)]) for batch in prompt.inputs)


def _kind(batch: FrameBatch) -> Kind:
    return "image" if batch.info.is_image else "video"


def slot_frames(num_frames: int, *, temporal_patch_size: int) -> tuple[tuple[int, ...], ...]:
    """Say which of T frames feed each slot; a last slot that is not full repeats its last frame."""
    starts = range(0, num_frames, temporal_patch_size)
    return tuple(
        tuple(range(start, min(start + temporal_patch_size, num_frames))) for start in starts
    )


def grid_layout(
    grid: Sequence[int], num_frames: int, *, merge_size: int, temporal_patch_size: int
) -> VisualLayout:
    """Layout of pictures that are resized whole, from a processor's (t, h, w) of patches.

    Args:
        grid: temporal patches, rows and columns of patches before merging.
        num_frames: sampled frames.
        merge_size: patches merged into one token, along each side.
        temporal_patch_size: frames of a temporal patch.

    Raises:
        TokenAlignmentError: the grid does not divide, or is not that of so many frames.
    """
    t, h, w = (int(size) for size in grid)
    slots = slot_frames(num_frames, temporal_patch_size=temporal_patch_size)
    if t != len(slots) or h % merge_size or w % merge_size:
        raise TokenAlignmentError(
            f"a patch grid of {t} x {h} x {w} does not fit {num_frames} frames in "
            f"{len(slots)} slots, merged {merge_size} x {merge_size}",
            hint=FOREIGN,
        )
    return VisualLayout(t, h // merge_size, w // merge_size, slots)


def thw_layouts(
    prompt: EncodedPrompt, processor: Any, batches: Sequence[FrameBatch], *, kind: Kind
) -> list[VisualLayout]:
    """Layouts from a processor's `video_grid_thw` or `image_grid_thw`, patches before merging.

    Args:
        prompt: the encoded prompt.
        processor: the checkpoint's processor.
        batches: the inputs of that kind.
        kind: which of the two grids is read.

    Raises:
        TokenAlignmentError: there are more or fewer grids than inputs, or one does not fit.
    """
    sizes = getattr(processor, f"{kind}_processor")
    grids = prompt.fields[f"{kind}_grid_thw"].tolist() if batches else []
    if len(grids) != len(batches):
        raise TokenAlignmentError(f"{len(grids)} grids for {len(batches)} {kind}s", hint=FOREIGN)
    return [
        grid_layout(
            grid,
            len(batch.frames),
            merge_size=int(sizes.merge_size),
            temporal_patch_size=int(sizes.temporal_patch_size),
        )
        for grid, batch in zip(grids, batches, strict=True)
    ]


def centre_crop(width: int, height: int, *, shortest_edge: int, crop: tuple[int, int]) -> View:
    """View of a picture resized to a shortest edge and cropped around its centre.

    Args:
        width: of the source picture in pixels.
        height: of the source picture in pixels.
        shortest_edge: length that the shorter side is resized to, in pixels.
        crop: (width, height) of the crop in pixels of the resized picture.
    """
    scale = shortest_edge / min(width, height)
    share_x, share_y = crop[0] / (width * scale), crop[1] / (height * scale)
    return View((1 - share_x) / 2, (1 - share_y) / 2, (1 + share_x) / 2, (1 + share_y) / 2)


def padded(content: tuple[int, int], canvas: tuple[int, int]) -> View:
    """View of a picture that fills the top left (width, height) of a larger canvas."""
    return View(right=canvas[0] / content[0], bottom=canvas[1] / content[1])


def resized_and_cropped(processor: Any, batch: FrameBatch) -> View:
    """View of what the resize and the centre crop of a picture processor leave.

    Args:
        processor: an image or video processor, with `size`, `crop_size` and their switches.
        batch: the pictures.
    """
    if not getattr(processor, "do_center_crop", False):
        return View()
    size, crop = processor.size, (processor.crop_size["width"], processor.crop_size["height"])
    height, width = batch.frames.shape[1:3]
    if processor.do_resize and size.get("shortest_edge"):
        return centre_crop(width, height, shortest_edge=size["shortest_edge"], crop=crop)
    if processor.do_resize:
        width, height = size["width"], size["height"]
    return centre_crop(width, height, shortest_edge=min(width, height), crop=crop)


def whole_patches(view: View, pixels: tuple[int, int], patch_size: tuple[int, int]) -> View:
    """Cut off what a patch embedding never reads: the rest at the right and the bottom.

    Args:
        view: what the (height, width) of the tower's input cover.
        pixels: height and width of the tower's input.
        patch_size: height and width of a patch, or of the patches pooled into one token.
    """
    read_y, read_x = (
        size // patch * patch / size for size, patch in zip(pixels, patch_size, strict=True)
    )
    return View(
        view.left,
        view.top,
        view.left + (view.right - view.left) * read_x,
        view.top + (view.bottom - view.top) * read_y,
    )


def frame_layout(num_frames: int, grid: tuple[int, int], view: View) -> VisualLayout:
    """Layout of a family where each frame is a slot of (rows, columns)."""
    slots = slot_frames(num_frames, temporal_patch_size=1)
    return VisualLayout(num_frames, grid[0], grid[1], slots, view)
