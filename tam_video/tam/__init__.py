"""From scores to maps: the token activation map method, pure functions, numpy in and out.

Owns: raw maps, causal correction, scale, rank filter, and words out of sub-tokens. Knows nothing of
models, videos or pictures.
"""

from __future__ import annotations

from tam_video.tam.activation import input_activation_maps, token_activation_maps
from tam_video.tam.rank_filter import rank_gaussian_filter
from tam_video.tam.words import join_words, word_maps

__all__ = [
    "input_activation_maps",
    "join_words",
    "rank_gaussian_filter",
    "token_activation_maps",
    "word_maps",
]
