"""Pictures of held-out clips: the truth and the maps of two profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tam_video.calibration.candidates import Candidate, candidate_maps
from tam_video.calibration.evidence import ClipEvidence
from tam_video.calibration.worlds import find_world
from tam_video.datasets.questions import caption
from tam_video.evaluation.score import ObjectWord, word_map
from tam_video.render.heat import render_still
from tam_video.types import ByteArray

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
        caption(clip),
        "".join(strings).strip(),
        truth=render_still(frame, word.cells[slot].astype(np.float32)),
        built_in=render_still(frame, maps[0]),
        chosen=render_still(frame, maps[1]),
    )
