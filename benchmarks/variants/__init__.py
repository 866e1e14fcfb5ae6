"""Variants of the method that were measured and not kept; `temporal_ablation` runs them."""
