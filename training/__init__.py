"""How `tiny` and the benchmark models are made; not part of the installed package."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TINY = REPOSITORY / "tam_video" / "models" / "tiny"
