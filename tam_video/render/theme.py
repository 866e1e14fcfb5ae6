"""The colours of text, bars and marks in the dark theme."""

from __future__ import annotations

from typing import TypeAlias

Color: TypeAlias = tuple[int, int, int]

BACKGROUND: Color = (17, 18, 22)
TEXT: Color = (222, 224, 230)
DIM: Color = (134, 139, 152)
FAINT: Color = (52, 55, 64)
LIT: Color = (255, 200, 46)
ON_LIT: Color = (17, 18, 22)
TINT: Color = (46, 134, 214)
WHITE: Color = (255, 255, 255)


def mix(below: Color, above: Color, share: float) -> Color:
    """Blend a colour over another colour with the opacity `share` in [0, 1]."""
    red, green, blue = (
        round(low + (high - low) * share) for low, high in zip(below, above, strict=True)
    )
    return red, green, blue
