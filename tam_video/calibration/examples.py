"""Pictures of held-out clips: the truth and the maps of two profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tam_video.calibration.candidates import Candidate, candidate_maps
from tam_video.calibration.evidence import ClipEvidence
from tam_video.calibration.worlds import find_world, true_caption
from tam_video.evaluation.score import ObjectWord, word_map
from tam_video.render.overlay import color_table, upsample
from tam_video.types import ByteArray, FloatArray

_OPACITY = 0.6
_NUM_EXAMPLES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One word of a held-out clip, at the slot in which its object covers most cells.

    Attributes:
        caption: the caption of the clip.
        word: the word.
        truth: uint8 [H, W, 3], the frame with the object's mask.
        built_in: the frame with the map of the built-in profile.
        chosen: the frame with the map of the profile in use.
    """

    caption: str
    word: str
    truth: ByteArray
    built_in: ByteArray
    chosen: ByteArray


def make_examples(
    evidence: Sequence[ClipEvidence], *, seed: int, built_in: Candidate, chosen: Candidate
) -> tuple[Example, ...]:
    """Make an example from the first object word of each of a few clips with the seed `seed`."""
    examples = []
    for each in evidence[:_NUM_EXAMPLES]:
        words = [word for word in each.truth.objects if word.cells.any()]
        if words:
            examples.append(_example(each, words[0], seed, (built_in, chosen)))
    return tuple(examples)


def _example(
    evidence: ClipEvidence, word: ObjectWord, seed: int, profiles: tuple[Candidate, Candidate]
) -> Example:
    clip = find_world(evidence.world).make(seed, evidence.number)
    slot = int(word.cells.sum(axis=(1, 2)).argmax())
    [layout] = evidence.layout.layouts
    number = evidence.frame_indices[layout.frame_slots[slot][0]]
    frame = clip.render_frame(int(number))
    maps = [word_map(candidate_maps(evidence, each), word)[slot] for each in profiles]
    strings = [evidence.layout.token_strings[index] for index in word.token_indices]
    return Example(
        true_caption(clip),
        "".join(strings).strip(),
        truth=overlaid(frame, word.cells[slot].astype(np.float32)),
        built_in=overlaid(frame, maps[0]),
        chosen=overlaid(frame, maps[1]),
    )


def overlaid(frame: ByteArray, cells: FloatArray) -> ByteArray:
    """Blend a map, float32 [h, w] in [0, 1], over a frame, uint8 [H, W, 3]."""
    height, width = frame.shape[:2]
    heat = upsample(cells, width=width, height=height)
    weight = _OPACITY * heat[..., None].astype(np.float32) / 255
    mixed = frame * (1 - weight) + color_table("turbo")[heat] * weight
    return np.asarray(mixed.round(), np.uint8)
