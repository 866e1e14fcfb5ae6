"""Measure explanation methods on clips with known ground truth, and report the results.

Importing it loads neither torch nor transformers.
"""
