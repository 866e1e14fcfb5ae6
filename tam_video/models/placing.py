"""Functions that the modules of model families share to locate visual tokens.

Functions of positions and sizes. No family is named here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.base import Checkpoint, EncodedPrompt, PlacedLayout
from tam_video.types import FrameBatch, IntArray, View, VisualLayout

Kind: TypeAlias = Literal["video", "image"]
Batches: TypeAlias = tuple[FrameBatch, ...]
FindPositions: TypeAlias = Callable[[EncodedPrompt, Checkpoint, Kind], IntArray]
MakeLayouts: TypeAlias = Callable[[EncodedPrompt, Checkpoint, Kind, Batches], list[VisualLayout]]
PlaceInputs: TypeAlias = Callable[[Kind, Batches, IntArray], Sequence[PlacedLayout]]
"""Takes the inputs of one kind and the int64 [n] positions of their visual tokens."""

FOREIGN = "the chat template or the processor does not belong to this model family"
WHOLE = "whole picture, resized"


def split_runs(positions: IntArray) -> list[IntArray]:
    """Split ascending positions int64 [n] into runs of consecutive positions."""
    if len(positions) == 0:
        return []
    return np.split(positions, np.flatnonzero(np.diff(positions) != 1) + 1)


def split_counts(positions: IntArray, counts: Sequence[int], *, kind: str) -> list[IntArray]:
    """Split ascending positions int64 [n] by input, given each input's number of visual tokens.

    Raises:
        TokenAlignmentError: the counts do not add up to n.
    """
    if len(positions) != sum(counts):
        raise TokenAlignmentError(
            f"{len(positions)} {kind} tokens are in the prompt, but the grids need {sum(counts)}",
            hint=FOREIGN,
        )
    bounds = np.cumsum([0, *counts]).tolist()
    return [positions[start:end] for start, end in pairwise(bounds)]


def check_runs(positions: IntArray, lengths: Sequence[int], *, kind: str) -> None:
    """Check that positions int64 [n] form consecutive runs of the given lengths."""
    actual = [len(run) for run in split_runs(positions)]
    if actual != list(lengths):
        raise TokenAlignmentError(
            f"the {kind} tokens come in {len(actual)} runs of {sorted(set(actual))}, but "
            f"{len(lengths)} runs of {sorted(set(lengths))} were expected",
            hint=FOREIGN,
        )


def token_positions(prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind) -> IntArray:
    """Return the positions of the config's `video_token_id` or `image_token_id`: int64 [n]."""
    return np.flatnonzero(prompt.input_ids == getattr(checkpoint.model.config, f"{kind}_token_id"))


def place_by_kind(
    prompt: EncodedPrompt,
    checkpoint: Checkpoint,
    place: PlaceInputs,
    *,
    positions_of: FindPositions = token_positions,
) -> tuple[PlacedLayout, ...]:
    """Locate the tokens of videos and of images separately. Return layouts in prompt order.

    Raises:
        TokenAlignmentError: `place` raises it, or a kind without inputs has visual tokens.
    """
    kinds: tuple[Kind, Kind] = ("video", "image")
    placed = {}
    for kind in kinds:
        batches = tuple(batch for batch in prompt.inputs if _kind(batch) == kind)
        positions = positions_of(prompt, checkpoint, kind)
        if not batches:
            split_counts(positions, [], kind=kind)
        placed[kind] = iter(place(kind, batches, positions) if batches else ())
    return tuple(next(placed[_kind(batch)]) for batch in prompt.inputs)


def place_grids(
    prompt: EncodedPrompt,
    checkpoint: Checkpoint,
    *,
    runs: Literal["one", "per_slot"] = "per_slot",
    layouts_of: MakeLayouts | None = None,
    positions_of: FindPositions = token_positions,
) -> tuple[PlacedLayout, ...]:
    """Locate the cells of inputs whose visual tokens are in row-major order, one per cell.

    Args:
        prompt: the encoded prompt.
        checkpoint: the model and processor that made it.
        runs: whether the tokens of an input are one run, or one run per slot.
        layouts_of: makes the layouts of the inputs of one kind; by default `thw_layouts`.
        positions_of: finds the visual tokens of one kind.
    """

    def place(kind: Kind, batches: Batches, positions: IntArray) -> list[PlacedLayout]:
        layouts = (layouts_of or thw_layouts)(prompt, checkpoint, kind, batches)
        parts = split_counts(positions, [layout.num_cells for layout in layouts], kind=kind)
        for layout, part in zip(layouts, parts, strict=True):
            per_slot = [layout.h * layout.w] * layout.t
            check_runs(part, per_slot if runs == "per_slot" else [layout.num_cells], kind=kind)
        return list(map(PlacedLayout, layouts, parts))

    return place_by_kind(prompt, checkpoint, place, positions_of=positions_of)


def _kind(batch: FrameBatch) -> Kind:
    return "image" if batch.info.is_image else "video"


def slot_frames(num_frames: int, *, temporal_patch_size: int) -> tuple[tuple[int, ...], ...]:
    """Return the frame indices of each slot; the last slot may have fewer frames."""
    starts = range(0, num_frames, temporal_patch_size)
    return tuple(
        tuple(range(start, min(start + temporal_patch_size, num_frames))) for start in starts
    )


def grid_layout(
    grid: Sequence[int], num_frames: int, *, merge_size: int, temporal_patch_size: int
) -> VisualLayout:
    """Compute the layout of uncropped frames from the processor's patch grid (t, h, w).

    Args:
        grid: temporal patches, rows and columns of patches before merging.
        num_frames: sampled frames.
        merge_size: patches merged into one token, along each side.
        temporal_patch_size: frames of a temporal patch.
    """
    t, h, w = (int(size) for size in grid)
    slots = slot_frames(num_frames, temporal_patch_size=temporal_patch_size)
    if t != len(slots) or h % merge_size or w % merge_size:
        raise TokenAlignmentError(
            f"a patch grid of {t} x {h} x {w} does not fit {num_frames} frames in "
            f"{len(slots)} slots if patches are merged {merge_size} x {merge_size}",
            hint=FOREIGN,
        )
    return VisualLayout(t, h // merge_size, w // merge_size, slots)


def grid_layouts(
    grids: Sequence[Sequence[int]],
    batches: Batches,
    *,
    kind: Kind,
    merge_size: int | Sequence[int],
    temporal_patch_size: int,
) -> list[VisualLayout]:
    """Compute the layout of each input from its patch grid; see `grid_layout`."""
    merge_sizes = [merge_size] * len(grids) if isinstance(merge_size, int) else merge_size
    if not len(grids) == len(merge_sizes) == len(batches):
        raise TokenAlignmentError(
            f"the processor returned {len(grids)} grids for {len(batches)} {kind}s", hint=FOREIGN
        )
    return [
        grid_layout(
            grid, len(batch.frames), merge_size=merge, temporal_patch_size=temporal_patch_size
        )
        for grid, merge, batch in zip(grids, merge_sizes, batches, strict=True)
    ]


def thw_layouts(
    prompt: EncodedPrompt, checkpoint: Checkpoint, kind: Kind, batches: Batches
) -> list[VisualLayout]:
    """Compute each input's layout from the processor's `video_grid_thw` or `image_grid_thw`."""
    processor = getattr(checkpoint.processor, f"{kind}_processor")
    return grid_layouts(
        prompt.fields[f"{kind}_grid_thw"].tolist(),
        batches,
        kind=kind,
        merge_size=int(processor.merge_size),
        temporal_patch_size=int(processor.temporal_patch_size),
    )


def centre_crop(width: int, height: int, *, shortest_edge: int, crop: tuple[int, int]) -> View:
    """Return the view of a frame that is resized to `shortest_edge`, then cropped at its centre.

    All sizes are in pixels; `crop` is the (width, height) of a part of the resized frame.
    """
    scale = shortest_edge / min(width, height)
    share_x, share_y = crop[0] / (width * scale), crop[1] / (height * scale)
    return View((1 - share_x) / 2, (1 - share_y) / 2, (1 + share_x) / 2, (1 + share_y) / 2)


def resized_and_cropped(processor: Any, batch: FrameBatch) -> View:
    """Return the part of the frame that an image processor keeps after resizing and centre crop."""
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
    """Return the view without the right and bottom pixels that do not fill a whole patch.

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


def frame_layout(num_frames: int, grid: tuple[int, int], view: View | None = None) -> VisualLayout:
    """Return a layout in which every frame is one slot. `grid` is the (rows, columns) of a slot."""
    slots = slot_frames(num_frames, temporal_patch_size=1)
    return VisualLayout(num_frames, grid[0], grid[1], slots, view or View())


def frame_layouts(
    sizes: Sequence[tuple[int, int]], batches: Batches, *, kind: Kind
) -> list[VisualLayout]:
    """Compute each input's layout from the (rows, columns) of every frame; see `frame_layout`.

    Raises:
        TokenAlignmentError: there are more or fewer frames, or those of one input differ in size.
    """
    bounds = np.cumsum([0, *(len(batch.frames) for batch in batches)]).tolist()
    if len(sizes) != bounds[-1]:
        raise TokenAlignmentError(
            f"the {kind}s have {bounds[-1]} frames, but the processor returned {len(sizes)}",
            hint=FOREIGN,
        )
    layouts = []
    for start, end in pairwise(bounds):
        if len(set(sizes[start:end])) != 1:
            raise TokenAlignmentError(f"frames of one {kind} differ in size", hint=FOREIGN)
        layouts.append(frame_layout(end - start, sizes[start]))
    return layouts


def patch_layout(
    num_frames: int,
    pixels: tuple[int, int],
    patch_size: tuple[int, int],
    *,
    grid: tuple[int, int] | None = None,
    view: View | None = None,
) -> VisualLayout:
    """Return a layout with one slot per frame. The view is cut to whole patches.

    Args:
        num_frames: sampled frames.
        pixels: height and width of the tower's input.
        patch_size: height and width of a patch, or of the patches pooled into one token.
        grid: (rows, columns) of tokens; by default one token for each whole patch.
        view: what the tower's input covers; None for the whole frame.
    """
    cells = grid or (pixels[0] // patch_size[0], pixels[1] // patch_size[1])
    return frame_layout(num_frames, cells, whole_patches(view or View(), pixels, patch_size))


def pixel_size(prompt: EncodedPrompt, kind: Kind) -> tuple[int, int]:
    """Return the height and width of the vision tower's input in pixels."""
    name = "pixel_values_videos" if kind == "video" else "pixel_values"
    height, width = prompt.fields[name][0].shape[-2:]
    return int(height), int(width)
