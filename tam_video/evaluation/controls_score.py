"""Values of the maps of a control: metrics, correlation with the true map, predicted answers.

Only words that are true of an object count, each by the mean map of its sub-tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tam_video.evaluation.controls_settings import SPEARMAN
from tam_video.evaluation.score import (
    AnswerTruth,
    ObjectWord,
    WordValues,
    clip_values,
    score_answer,
    word_map,
)
from tam_video.metrics import linear_datamodeling_score, randomisation_cascade
from tam_video.metrics.grids import BoolArray
from tam_video.types import Float64Array, FloatArray


def source_values(
    maps: FloatArray,
    truth: AnswerTruth,
    metrics: Sequence[str],
    *,
    source: str,
    original: FloatArray | None = None,
) -> dict[str, float | None]:
    """Values of a clip when the maps of a method come from a source.

    Args:
        maps: float32 [M, t, h, w], one map per token.
        truth: of the clip as it is, whatever was shown.
        metrics: names of `CONTROL_METRICS`.
        source: what the values are called after.
        original: float32 [M, t, h, w], the method's true maps, to tell the Spearman correlation
            with them.

    Returns:
        "SOURCE:METRIC" -> mean over the words, None where no word has a value.
    """
    found, names = score_answer(maps, truth, metrics), list(metrics)
    if original is not None:
        names.append(SPEARMAN)
        found[SPEARMAN] = [
            float(randomisation_cascade(word_map(original, word), [word_map(maps, word)])[0])
            for word in _true_words(truth)
        ]
    return _named(found, names, source=source)


def mismatched_ground_truth(
    truth: AnswerTruth, others: Sequence[Sequence[ObjectWord]], *, seed: int
) -> AnswerTruth:
    """A truth that has nothing to do with the clip, to tell what maps score by chance.

    Args:
        truth: the clip's own.
        others: for each other clip, what words for its objects point at on the same grid.
        seed: of the draw.

    Returns:
        For every word that is true of an object, and every other clip where an object is seen, the
        word's tokens with the masks of one word of that clip.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for word in _true_words(truth):
        for words in others:
            seen = [other for other in words if other.cells.any()]
            if seen:
                other = seen[int(rng.integers(len(seen)))]
                drawn.append(replace(other, token_indices=word.token_indices, words=word.words))
    return replace(truth, objects=tuple(drawn), function_words=())


def smoothed(maps: FloatArray) -> FloatArray:
    """float32 [M, t, h, w]: in every slot the mean over all slots of maps [M, t, h, w]."""
    return np.broadcast_to(maps.mean(axis=1, keepdims=True), maps.shape)


def predicted_scores(
    maps: FloatArray,
    truth: AnswerTruth,
    keep: BoolArray,
    log_probabilities: Float64Array,
    *,
    first_token: int,
    source: str,
) -> dict[str, float | None]:
    """LDS of a clip: the mean over its words, the span of a word being its tokens.

    Args:
        maps: float32 [M, t, h, w].
        truth: which tokens are words that are true of an object.
        keep: bool [m, t, h, w].
        log_probabilities: float64 [m, J] of the answer's tokens on the masked videos.
        first_token: number of the answer's first token along M.
        source: what the value is called after.
    """
    scores = []
    for word in _true_words(truth):
        tokens = [index - first_token for index in word.token_indices]
        span = log_probabilities[:, tokens].sum(axis=1)
        scores.append(linear_datamodeling_score(keep, word_map(maps, word), span))
    return _named({"lds": scores}, ["lds"], source=source)


def _true_words(truth: AnswerTruth) -> Iterator[ObjectWord]:
    return (word for word in truth.objects if word.cells.any())


def _named(found: WordValues, names: Sequence[str], *, source: str) -> dict[str, float | None]:
    return {f"{source}:{name}": value for name, value in clip_values([found], names).items()}
