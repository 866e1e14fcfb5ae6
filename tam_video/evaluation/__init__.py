"""Measure methods on clips with known ground truth: settings, scores, log of clips, report, plots.

Importing it loads neither torch nor transformers.
"""
