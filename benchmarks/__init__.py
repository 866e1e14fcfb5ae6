"""Commands whose figures stand in `docs/`."""
