"""The name above a picture."""

from __future__ import annotations

import numpy as np

from tam_video.render.fonts import FontStack
from tam_video.render.text_drawing import cut_line, write_line
from tam_video.render.theme import BACKGROUND, TEXT
from tam_video.types import ByteArray

_TEXT_SHARE = 0.5  # of the label's height


def draw_label(text: str, *, width: int, height: int, font: str | None = None) -> ByteArray:
    """Any text on one line, cut where it is too long.

    Args:
        text: untrusted.
        width: in pixels.
        height: in pixels.
        font: font file or name that comes before the shipped ones.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        ConfigError: the font can't be opened.
    """
    from PIL import Image, ImageDraw

    fonts = FontStack(max(8, round(_TEXT_SHARE * height)), font)
    picture = Image.new("RGB", (width, height), BACKGROUND)
    margin = fonts.size_px // 2
    ascent, descent = fonts.base.getmetrics()
    baseline = (height + ascent - descent) / 2
    line = cut_line(text, width_px=width - 2 * margin, fonts=fonts)
    write_line(ImageDraw.Draw(picture), line, (margin, baseline), fonts=fonts, fill=TEXT)
    return np.asarray(picture, dtype=np.uint8)
