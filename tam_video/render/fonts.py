"""Choose a font for each character.

Owns the fonts in the wheel (DejaVu Sans for Latin, Greek, Cyrillic, Arabic, Hebrew and symbols;
Noto Sans SC for Chinese and kana; Noto Sans KR for Hangul; Noto Emoji). A font that the user
chooses comes before them, fonts of the system after them.
"""

from __future__ import annotations

import logging
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tam_video.errors import ConfigError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_log = logging.getLogger(__name__)

_FOLDER = Path(__file__).parent / "fonts"
_SHIPPED = (
    "DejaVuSans.ttf",
    "NotoSansSC-Regular.woff2",
    "NotoSansKR-Regular.woff2",
    "NotoEmoji-Regular.woff2",
)
# Searched by name only if no shipped font has a character.
_SYSTEM = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansKR-Regular.otf",
    "NanumGothic.ttf",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "malgun.ttf",
    "AppleSDGothicNeo.ttc",
    "PingFang.ttc",
    "msyh.ttc",
    "Arial Unicode.ttf",
    "arialuni.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "Nirmala.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoEmoji-Regular.ttf",
    "Symbola.ttf",
    "seguisym.ttf",
)
_NEVER_ASSIGNED = "\U0010fffe"
_JOINERS = frozenset("\u200c\u200d\u200e\u200f\u2060\ufe0e\ufe0f")


@dataclass(eq=False)
class FontStack:
    """Fonts in one size, in order of preference. The first font that has a character is used.

    Attributes:
        size_px: em size in pixels.
        chosen: font file or font name that comes first; None for the shipped ones.
    """

    size_px: int
    chosen: str | None = None
    _fonts: dict[str, FreeTypeFont] = field(default_factory=dict, repr=False)

    @property
    def base(self) -> FreeTypeFont:
        """The first font; its metrics set the line height."""
        name = self.chosen or _SHIPPED[0]
        font = _open_font(name, self.size_px)
        if font is None:
            hint = "pass a .ttf, .otf or .ttc file, or omit --font"
            hint = hint if self.chosen else "install tam-video again"
            raise ConfigError(f"cannot open font {name!r}", hint=hint)
        return font

    def runs(self, text: str) -> list[tuple[str, FreeTypeFont]]:
        """Split one line of text where the font changes, but not between a letter and its marks.

        Returns:
            (part, font) in order; the parts joined are the text.
        """
        runs: list[tuple[str, FreeTypeFont]] = []
        for character in text:
            last = runs[-1][1] if runs else None
            stays = unicodedata.combining(character) or character in _JOINERS or character == " "
            font = last if stays and last is not None else self._find(character)
            if font is last:
                runs[-1] = (runs[-1][0] + character, font)
            else:
                runs.append((character, font))
        return runs

    def length(self, text: str) -> float:
        """Return the advance width of a line of text in pixels."""
        return sum(font.getlength(run) for run, font in self.runs(text))

    def _find(self, character: str) -> FreeTypeFont:
        if character not in self._fonts:
            chosen = (self.chosen,) if self.chosen else ()
            fonts = (_open_font(name, self.size_px) for name in (*chosen, *_SHIPPED, *_SYSTEM))
            having = (font for font in fonts if font is not None and _has_glyph(font, character))
            self._fonts[character] = next(having, None) or self.base
        return self._fonts[character]


@lru_cache(maxsize=128)
def _open_font(name: str, size_px: int) -> FreeTypeFont | None:
    """Open a bundled font, a font file or a system font, or return None if it is missing."""
    from PIL import ImageFont

    path = _FOLDER / name if name in _SHIPPED else Path(name)
    try:
        return ImageFont.truetype(str(path), size_px)
    except OSError:
        _log.debug("no font %s", name)
        return None


def _has_glyph(font: FreeTypeFont, character: str) -> bool:
    """Return whether a font has a glyph for a character. The "missing glyph" box does not count."""
    box = font.getmask(_NEVER_ASSIGNED)
    glyph = font.getmask(character)
    return glyph.size != box.size or bytes(glyph) != bytes(box)
