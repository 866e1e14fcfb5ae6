"""The token activation map method: compute maps of tokens and words from logits.

Pure functions, numpy in and out. Only `motion` reads pixels.
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
