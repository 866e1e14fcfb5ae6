"""Engines: where workers run."""
