"""Profiles: how the maps of a checkpoint are read, as chosen by a calibration."""
