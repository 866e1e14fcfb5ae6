"""Measure how well the maps of different models, methods or questions agree on one clip.

Works on finished explanations, without a model.
"""

from __future__ import annotations

from tam_video.analysis.agreement import Agreement, agreement
from tam_video.analysis.comparison import Comparison, Pair, WordAgreement, compare
from tam_video.analysis.folder import ComparisonFiles, compare_runs
from tam_video.analysis.side_by_side import render_compared

__all__ = [
    "Agreement",
    "Comparison",
    "ComparisonFiles",
    "Pair",
    "WordAgreement",
    "agreement",
    "compare",
    "compare_runs",
    "render_compared",
]
