"""Visual reliance: the share of the evidence for a word that comes from pixels, not text.

It is computed from the scores of the maps; no further forward pass is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tam_video.tam.causal import context_mask
from tam_video.tam.logits import token_relevance
from tam_video.types import BoolArray, FloatArray, Generation, Word

LOW_RELIANCE = 0.4
"""Words below this threshold count as having little visual evidence.

Chosen on 12 dev clips of shapes (base, distractors, low-contrast) with the embedded model: of 118
colour and shape words 14 were true of no object, 13 of them below the threshold, as were 8 true
ones. This does not generalise: on 8 test clips it detected 7 of 20 such words and flagged 6 of 44
true ones, and the word's own probability did better. A flagged word may come from the text alone,
which does not prove that it is wrong. `tam-video evaluate reliance` measures any model.
"""


def visual_reliance(raw: FloatArray, relevance: FloatArray, *, context: BoolArray) -> FloatArray:
    """Compute, for each token, the share of its strongest evidence that is visual: float32 [M].

    Source: ours, on the relevance of Li et al., ICCV 2025, arXiv:2506.23270. With A_m[v] the raw
    relevance of cell v to token m and r_m[k] that of the text tokens k of its context, both
    positive parts of logits for the same class and so on one scale,
    reliance_m = max_v A_m[v] / (max_v A_m[v] + max_k r_m[k]).

    Maxima are used, not sums: on dev clips of shapes the rank correlation with the share of a
    word's probability that is lost when the whole video is blanked was 0.34, against at most 0.09
    for means and sums over cells and text, and 0.27 for maxima of the corrected map.

    Args:
        raw: float32 [M, V], >= 0, the cells of all inputs together.
        relevance: float32 [M, M], >= 0, entry [m, k] the relevance of text token k to m.
        context: bool [M, M], from `context_mask`.

    Returns:
        float32 [M] in [0, 1]; NaN where neither a cell nor the text is relevant to the token.
    """
    num_tokens = len(raw)
    if raw.ndim != 2 or not relevance.shape == context.shape == (num_tokens, num_tokens):
        raise ValueError("raw must be [M, V]; relevance and context must be [M, M]")
    visual = raw.max(axis=1, initial=0).astype(np.float64)
    textual = np.where(context, relevance, 0).max(axis=1, initial=0).astype(np.float64)
    total = visual + textual
    shares = np.divide(visual, total, out=np.full(num_tokens, np.nan), where=total > 0)
    return np.asarray(shares, dtype=np.float32)


def word_reliance(generation: Generation, words: Sequence[Word]) -> FloatArray:
    """Compute the visual reliance of words: the mean over each word's tokens.

    Args:
        generation: the answer; its `scores`, those of one layer, are used.
        words: N words of the answer.

    Returns:
        float32 [N] in [0, 1], NaN where no token of a word has any evidence.
    """
    shares = visual_reliance(
        token_relevance(generation.scores, generation.visual_positions),
        token_relevance(generation.scores, generation.text_positions),
        context=context_mask([token.text for token in generation.tokens]),
    )
    reliance = np.full(len(words), np.nan, dtype=np.float32)
    for number, word in enumerate(words):
        known = [share for share in shares[list(word.token_indices)] if not np.isnan(share)]
        if known:
            reliance[number] = np.mean(known)
    return reliance


def unseen_words(
    words: Sequence[Word], reliance: FloatArray, *, below: float = LOW_RELIANCE
) -> tuple[Word, ...]:
    """Return the content words with little visual evidence; such words can still be correct.

    A word that follows from the words before it ("object" in "the red object") is among them as
    well as a hallucinated one.

    Args:
        words: N words.
        reliance: float32 [N], from `word_reliance`.
        below: threshold of the reliance.
    """
    return tuple(
        word
        for word, share in zip(words, reliance.tolist(), strict=True)
        if word.is_content and share < below
    )
