"""Engines, which run the workers of a batch."""
