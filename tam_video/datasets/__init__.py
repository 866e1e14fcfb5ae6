"""Worlds with exact ground truth."""
