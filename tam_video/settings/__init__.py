"""Declarations of the settings of a run.

`groups` declares each setting with its type, default, help, range and flag. `RunConfig`, the
options of the command line, the presets of `tam-video run --new`, the tables in the docs and the
keyword arguments of Python are made from these declarations. Importing them loads neither pydantic
nor numpy nor click.
"""
