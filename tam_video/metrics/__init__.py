"""Metrics of maps: plausibility, faithfulness and stability, with confidence intervals.

Pure functions, numpy in and out. Each defines its value for constant maps and empty masks.
"""
