"""Calibrate the maps of one checkpoint on synthetic clips with exact masks."""
