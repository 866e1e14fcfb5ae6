"""Damage to finished files."""

from __future__ import annotations

from pathlib import Path


def change_a_byte(path: Path) -> bytes:
    """Change a byte in the middle of a file, and return what the file contained."""
    before = path.read_bytes()
    changed = bytearray(before)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    return before
