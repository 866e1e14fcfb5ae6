"""Visual reliance: how much of a word's evidence lies in the pixels, how much in the text.

Owns: the score of tokens and of words. It comes from the scores that the maps are made from; no
further pass is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tam_video.tam.causal import context_mask
from tam_video.tam.logits import raw_maps, text_relevance
from tam_video.types import FloatArray, Generation, Word

LOW_RELIANCE = 0.4
"""Below this a word counts as said with little visual evidence.

Chosen on 12 dev clips of shapes (base, distractors, low-contrast) with the embedded model: of 118
colour and shape words 14 were true of no object, 13 of them below it, as were 8 true ones. That
does not carry over: on 8 test clips it found 7 of 20 such words and flagged 6 of 44 true ones, and
the word's own probability did better. It tells a word that the text alone may have brought, which
is no proof that it is wrong. `tam-video evaluate reliance` measures any model.
"""


def visual_reliance(
    raw: FloatArray, relevance: FloatArray, *, context: NDArray[np.bool_]
) -> FloatArray:
    """Share of each token's strongest evidence that is visual.

    Source: ours, on the relevance of Li et al., ICCV 2025, arXiv:2506.23270. With A_m[v] the raw
    relevance of cell v to token m and r_m[k] that of the text tokens k of its context, both
    positive parts of logits for the same class and so on one scale,
    reliance_m = max_v A_m[v] / (max_v A_m[v] + max_k r_m[k]).

    Peaks, not sums: on dev clips of shapes the rank correlation with the share of a word's
    probability that is lost when the whole video is blanked was 0.34, against 0.09 and less for
    means and sums over cells and text, and 0.27 for peaks of the corrected map.

    Args:
        raw: float32 [M, V], >= 0, the cells of all inputs together.
        relevance: float32 [M, M], >= 0, entry [m, k] the relevance of text token k to m.
        context: bool [M, M], entry [m, k] true where k is context of m.

    Returns:
        float32 [M] in [0, 1]; NaN where neither a cell nor the text speaks for the token.

    Raises:
        ValueError: the shapes don't fit.
    """
    num_tokens = len(raw)
    if raw.ndim != 2 or not relevance.shape == context.shape == (num_tokens, num_tokens):
        raise ValueError("raw must be [M, V], relevance and context [M, M]")
    seen = raw.max(axis=1, initial=0).astype(np.float64)
    read = np.where(context, relevance, 0).max(axis=1, initial=0).astype(np.float64)
    total = seen + read
    shares = np.divide(seen, total, out=np.full(num_tokens, np.nan), where=total > 0)
    return np.asarray(shares, dtype=np.float32)


def word_reliance(generation: Generation, words: Sequence[Word]) -> FloatArray:
    """Visual reliance of the words of an answer: the mean over a word's tokens that have one.

    Args:
        generation: what was said; its `scores` are read, those of the one layer that was asked for.
        words: N words; their `token_indices` count along M.

    Returns:
        float32 [N] in [0, 1], NaN where no token of a word has any evidence.
    """
    shares = visual_reliance(
        raw_maps(generation.scores, generation.visual_positions),
        text_relevance(generation.scores, generation.text_positions),
        context=context_mask([token.text for token in generation.tokens]),
    )
    found = np.full(len(words), np.nan, dtype=np.float32)
    for place, word in enumerate(words):
        known = [share for share in shares[list(word.token_indices)] if not np.isnan(share)]
        if known:
            found[place] = np.mean(known)
    return found


def unseen_words(
    words: Sequence[Word], reliance: FloatArray, *, below: float = LOW_RELIANCE
) -> tuple[Word, ...]:
    """The content words that were said with little visual evidence: suspects, not verdicts.

    A word that follows from the words before it ("object" in "the red object") is among them as
    well as one that is made up.

    Args:
        words: N words.
        reliance: float32 [N], as `word_reliance` gives it.
        below: words with less than this.

    Raises:
        ValueError: there is not one value a word.
    """
    return tuple(
        word
        for word, share in zip(words, reliance.tolist(), strict=True)
        if word.is_content and share < below
    )
