"""Measure the visual reliance of every word of the answers about one clip.

A colour or shape word of a caption is false where it is true of no object of the clip; in the
answer to a negative question every such word is. The ground truth is the clip's own description.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tam_video.datasets.questions import caption, make_scene_questions, named
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS, SHAPES
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, ClipJob, is_empty, read_back
from tam_video.evaluation.flips import says_yes
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.reliance_settings import PromptKind, RelianceSettings
from tam_video.evaluation.truth import answer_truth, names_object
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.tam import join_words
from tam_video.tam.reliance import word_reliance
from tam_video.types import BoolArray, Float64Array, FrameBatch, Generation, Message, Word


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A question about a clip. A fixed answer may replace the generated one."""

    kind: PromptKind
    text: str
    answer: str | None = None


def measure_reliance(model: TransformersModel, settings: RelianceSettings, job: ClipJob) -> ClipRow:
    """Measure every word of the answers about one clip.

    Returns:
        A row whose `values` have for each word "KIND/INDEX/WORD" its "reliance", "probability",
        "blanked" and "hidden" (share of its probability lost when the whole video, or the cells of
        its objects, are blank), "content" (1 for a content word), and "false" (1 for a name that is
        true of nothing, 0 for another name); and for each answer to a presence question, under its
        kind, "yes" (1 or 0). None is a value that is not defined.
    """
    clip = make_world(job.world, job.seed, split=settings.split)
    batch = read_back(clip, model)
    row = ClipRow(*job, "", values={}, costs={})
    for prompt in _prompts(clip, job.seed):
        turns = [Message("user", prompt.text)]
        generation = model.generate(
            batch, turns, options=settings.generation_options(), answer=prompt.answer
        )
        if prompt.kind == "caption":
            row = replace(row, answer=generation.answer)
        if prompt.kind in ("presence", "bait"):
            yes = says_yes(generation.answer)
            row.values[prompt.kind] = {"yes": None if yes is None else float(yes)}
        if not is_empty(generation):
            probe = Probe(model, batch, generation)
            row.values.update(_word_values(clip, batch, probe, kind=prompt.kind))
    return row


def injected_error_caption(clip: SceneClip, rng: np.random.Generator) -> str:
    """Return the true caption with the colour or shape of one object replaced by a false word."""
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    colors = [color for color in COLORS if all(color != each.color for each in clip.objects)]
    shapes = [shape for shape in SHAPES if all(shape != each.shape for each in clip.objects)]
    if rng.random() < 0.5:
        name = f"{colors[int(rng.integers(len(colors)))]} {item.shape}"
    else:
        name = f"{item.color} {shapes[int(rng.integers(len(shapes)))]}"
    text, old = caption(clip), named(item.name)
    start = text.casefold().index(old)
    text = text[:start] + named(name) + text[start + len(old) :]
    return text[0].upper() + text[1:]


def lost_share(shown: Float64Array, hidden: Float64Array) -> float:
    """Compute the share of a word's probability that hiding cells removes. It is never negative.

    Args:
        shown: float64 [k], log-probability of each of its tokens on the whole video.
        hidden: float64 [k], with the part hidden.
    """
    return abs(math.expm1(min(float((hidden - shown).sum()), 0.0)))


def _prompts(clip: SceneClip, seed: int) -> Iterator[_Prompt]:
    rng = np.random.default_rng(seed)
    yield _Prompt("caption", CAPTION_QUESTION)
    for question in make_scene_questions(clip, rng):
        if question.kind == "presence":
            yield _Prompt("bait" if question.is_negative else "presence", question.text)
    yield _Prompt("planted", CAPTION_QUESTION, injected_error_caption(clip, rng))


def _word_values(
    clip: SceneClip, batch: FrameBatch, probe: Probe, *, kind: PromptKind
) -> dict[str, dict[str, float | None]]:
    """Return the measured values of every word except punctuation, by the word's key in the row."""
    generation = probe.generation
    words = [word for word in join_words(generation.tokens) if any(map(str.isalnum, word.text))]
    names = answer_truth(clip, batch, generation).objects
    own = {name.token_indices: name.cells for name in names}
    masks, mask_index = _masks(generation, own)
    scores = probe.score_masked(masks)
    reliance = word_reliance(generation, words)
    values: dict[str, dict[str, float | None]] = {}
    for word, share in zip(words, reliance.tolist(), strict=True):
        tokens = [index - generation.num_prompt_tokens for index in word.token_indices]
        shown, blank = scores[0, tokens], scores[1, tokens]
        is_false = _is_false(word, own, kind)
        hidden = scores[mask_index[word.token_indices], tokens] if is_false is False else None
        values[f"{kind}/{word.index}/{word.text}"] = {
            "reliance": None if math.isnan(share) else round(share, 6),
            "probability": round(math.exp(float(shown.sum())), 6),
            "blanked": round(lost_share(shown, blank), 6),
            "hidden": None if hidden is None else round(lost_share(shown, hidden), 6),
            "content": float(word.is_content),
            "false": None if is_false is None else float(is_false),
        }
    return values


def _masks(
    generation: Generation, own: dict[tuple[int, ...], BoolArray]
) -> tuple[BoolArray, dict[tuple[int, ...], int]]:
    """Make masks of visible cells: all, none, and for each name all cells outside its object.

    They are bool [B, t, h, w], with the index of the mask of each name; `own` has its cells.
    """
    shape = generation.layouts[0].shape
    masks = [np.ones(shape, np.bool_), np.zeros(shape, np.bool_)]
    mask_index: dict[tuple[int, ...], int] = {}
    for tokens, cells in own.items():
        same = (k for k, mask in enumerate(masks) if np.array_equal(mask, ~cells))
        mask_index[tokens] = next(same, len(masks))
        if mask_index[tokens] == len(masks):
            masks.append(~cells)
    return np.stack(masks), mask_index


def _is_false(word: Word, own: dict[tuple[int, ...], BoolArray], kind: PromptKind) -> bool | None:
    """Return whether a word is a false name, or None if the word is not a name at all."""
    if not names_object(word):
        return None
    return kind == "bait" or not own[word.token_indices].any()
