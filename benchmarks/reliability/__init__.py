"""Commands behind docs/reliability.md: kills, mutated files, Ray beside local, and scale."""
