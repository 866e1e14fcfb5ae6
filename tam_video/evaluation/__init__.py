"""Measuring methods against clips whose truth is known: settings, scores, ledger, report, plots.

Importing it loads neither torch nor transformers.
"""
