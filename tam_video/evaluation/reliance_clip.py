"""One clip: what the model says about it, word by word, and what each word loses with the video.

A colour or shape word of a caption is false where it is true of no object of the clip; in an answer
about something that is not there, every such word is. The truth is the clip's own description.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from tam_video.datasets.questions import named
from tam_video.datasets.scene import SceneClip
from tam_video.datasets.shapes import COLORS, SHAPES
from tam_video.datasets.world_questions import make_scene_questions, scene_caption
from tam_video.datasets.worlds import make_world
from tam_video.evaluation.clip import CAPTION_QUESTION, ClipJob, is_empty, read_back
from tam_video.evaluation.flips import says_yes
from tam_video.evaluation.ledger import ClipRow
from tam_video.evaluation.reliance_settings import Asked, RelianceSettings
from tam_video.evaluation.truth import answer_truth, names_object
from tam_video.metrics.grids import BoolArray
from tam_video.models.inference import TransformersModel
from tam_video.models.probing import Probe
from tam_video.tam import join_words
from tam_video.tam.reliance import word_reliance
from tam_video.types import Float64Array, FrameBatch, Generation, Message, Word


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked, or passed through, about a clip."""

    asked: Asked
    text: str
    answer: str | None = None


def measure_reliance(model: TransformersModel, settings: RelianceSettings, job: ClipJob) -> ClipRow:
    """Measure every word of the answers about one clip.

    Returns:
        A row whose `values` have for each word "ASKED/INDEX/WORD" its "reliance", "probability",
        "blanked" and "hidden" (share of its probability lost when the whole video, or the cells of
        its objects, are blank), "content" (1 for a content word), and "false" (1 for a name that is
        true of nothing, 0 for another name); and for each answer to a presence question, under
        "presence" or "bait", "yes" (1 or 0). None is what is not defined.

    Raises:
        TamVideoError: the clip can't be written or read, or the model fails.
    """
    clip = make_world(job.world, job.seed, split=settings.split)
    batch = read_back(clip, model)
    row = ClipRow(*job, "", values={}, costs={})
    for question in _questions(clip, job.seed):
        ask = [Message("user", question.text)]
        generation = model.generate(
            batch, ask, options=settings.generation_options(), answer=question.answer
        )
        if question.asked == "caption":
            row = replace(row, answer=generation.answer)
        if question.asked in ("presence", "bait"):
            yes = says_yes(generation.answer)
            row.values[question.asked] = {"yes": None if yes is None else float(yes)}
        if not is_empty(generation):
            probe = Probe(model, batch, generation)
            row.values.update(_words(clip, batch, probe, asked=question.asked))
    return row


def injected_error_caption(clip: SceneClip, rng: np.random.Generator) -> str:
    """The true caption with the colour or the shape of one object exchanged for one not there."""
    item = clip.objects[int(rng.integers(len(clip.objects)))]
    colors = [color for color in COLORS if all(color != each.color for each in clip.objects)]
    shapes = [shape for shape in SHAPES if all(shape != each.shape for each in clip.objects)]
    if rng.random() < 0.5:
        name = f"{colors[int(rng.integers(len(colors)))]} {item.shape}"
    else:
        name = f"{item.color} {shapes[int(rng.integers(len(shapes)))]}"
    text, old = scene_caption(clip), named(item.name)
    start = text.casefold().index(old)
    text = text[:start] + named(name) + text[start + len(old) :]
    return text[0].upper() + text[1:]


def lost_share(shown: Float64Array, hidden: Float64Array) -> float:
    """Share of a word's probability that is lost when something is hidden; a gain counts 0.

    Args:
        shown: float64 [k], log-probability of each of its tokens on the whole video.
        hidden: float64 [k], with the part hidden.
    """
    return abs(math.expm1(min(float((hidden - shown).sum()), 0.0)))


def _questions(clip: SceneClip, seed: int) -> Iterator[_Question]:
    rng = np.random.default_rng(seed)
    yield _Question("caption", CAPTION_QUESTION)
    for question in make_scene_questions(clip, rng):
        if question.kind == "presence":
            yield _Question("bait" if question.is_negative else "presence", question.text)
    yield _Question("planted", CAPTION_QUESTION, injected_error_caption(clip, rng))


def _words(
    clip: SceneClip, batch: FrameBatch, probe: Probe, *, asked: Asked
) -> dict[str, dict[str, float | None]]:
    """The values of each word that is no punctuation, by its name in the row."""
    generation = probe.generation
    words = [word for word in join_words(generation.tokens) if any(map(str.isalnum, word.text))]
    names = answer_truth(clip, batch, generation).objects
    own = {name.token_indices: name.cells for name in names}
    masks, place = _masks(generation, own)
    scores = probe.score_masked(masks)
    reliance = word_reliance(generation, words)
    found = {}
    for word, share in zip(words, reliance.tolist(), strict=True):
        tokens = [index - generation.num_prompt_tokens for index in word.token_indices]
        shown, blank = scores[0, tokens], scores[1, tokens]
        is_false = _is_false(word, own, asked)
        hidden = scores[place[word.token_indices], tokens] if is_false is False else None
        found[f"{asked}/{word.index}/{word.text}"] = {
            "reliance": None if math.isnan(share) else round(share, 6),
            "probability": round(math.exp(float(shown.sum())), 6),
            "blanked": round(lost_share(shown, blank), 6),
            "hidden": None if hidden is None else round(lost_share(shown, hidden), 6),
            "content": float(word.is_content),
            "false": None if is_false is None else float(is_false),
        }
    return found


def _masks(
    generation: Generation, own: dict[tuple[int, ...], BoolArray]
) -> tuple[BoolArray, dict[tuple[int, ...], int]]:
    """What is shown: the whole video, none of it, and once each all but a name's own cells.

    Args:
        generation: whose cells they are.
        own: bool [t, h, w] of each name, by its tokens.

    Returns:
        bool [B, t, h, w], and the number of the mask of each name.
    """
    shape = generation.layouts[0].shape
    masks = [np.ones(shape, np.bool_), np.zeros(shape, np.bool_)]
    place: dict[tuple[int, ...], int] = {}
    for tokens, cells in own.items():
        same = (k for k, mask in enumerate(masks) if np.array_equal(mask, ~cells))
        place[tokens] = next(same, len(masks))
        if place[tokens] == len(masks):
            masks.append(~cells)
    return np.stack(masks), place


def _is_false(word: Word, own: dict[tuple[int, ...], BoolArray], asked: Asked) -> bool | None:
    """Whether a name is true of nothing; None for a word that is no name."""
    if not names_object(word):
        return None
    return asked == "bait" or not own[word.token_indices].any()
