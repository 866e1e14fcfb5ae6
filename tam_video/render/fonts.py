"""Which font draws which character.

Owns: the fonts in the wheel (DejaVu Sans for Latin, Greek, Cyrillic, Arabic, Hebrew and symbols;
Noto Sans SC for Chinese and kana; Noto Sans KR for Hangul; Noto Emoji), a font of the user's choice
before them and fonts of the system after them.
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
# Looked up by name only when no shipped font has a character.
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
    """Fonts of one size in order of preference, asked character by character.

    Attributes:
        size_px: em size in pixels.
        chosen: font file or font name that comes first; None for the shipped ones.
    """

    size_px: int
    chosen: str | None = None
    _fonts: dict[str, FreeTypeFont | None] = field(default_factory=dict, repr=False)
    _places: dict[str, FreeTypeFont] = field(default_factory=dict, repr=False)

    @property
    def base(self) -> FreeTypeFont:
        """The first font; its metrics set the line height."""
        if self.chosen is not None:
            font = self._font(self.chosen)
            if font is None:
                raise ConfigError(
                    f"cannot open font {self.chosen!r}",
                    hint="give a .ttf, .otf or .ttc file, or leave --font out",
                )
            return font
        font = self._font(_SHIPPED[0])
        if font is None:
            raise ConfigError(f"{_SHIPPED[0]} is missing", hint="install tam-video again")
        return font

    def runs(self, text: str) -> list[tuple[str, FreeTypeFont]]:
        """Split text into stretches that one font draws; marks and joiners stay with their letter.

        Args:
            text: one line.

        Returns:
            (stretch, font) in order; joined, the stretches are the text.
        """
        found: list[tuple[str, FreeTypeFont]] = []
        for character in text:
            last = found[-1][1] if found else None
            stays = unicodedata.combining(character) or character in _JOINERS or character == " "
            font = last if stays and last is not None else self._font_for(character)
            if font is last:
                found[-1] = (found[-1][0] + character, font)
            else:
                found.append((character, font))
        return found

    def length(self, text: str) -> float:
        """Advance width of a line of text in pixels."""
        return sum(font.getlength(run) for run, font in self.runs(text))

    def _font_for(self, character: str) -> FreeTypeFont:
        if character not in self._places:
            self._places[character] = self._find(character)
        return self._places[character]

    def _find(self, character: str) -> FreeTypeFont:
        chosen = () if self.chosen is None else (self.chosen,)
        for name in (*chosen, *_SHIPPED, *_SYSTEM):
            font = self._font(name)
            if font is not None and _has_glyph(font, character):
                return font
        return self.base

    def _font(self, name: str) -> FreeTypeFont | None:
        if name not in self._fonts:
            self._fonts[name] = _open_font(name, self.size_px)
        return self._fonts[name]


@lru_cache(maxsize=128)
def _open_font(name: str, size_px: int) -> FreeTypeFont | None:
    """Open a shipped font, a file, or a system font by name; None where it can't be had."""
    from PIL import ImageFont

    place = _FOLDER / name if name in _SHIPPED else Path(name)
    try:
        return ImageFont.truetype(str(place), size_px)
    except OSError:
        _log.debug("no font %s", name)
        return None


def _has_glyph(font: FreeTypeFont, character: str) -> bool:
    """Whether a font draws a character itself, not as its "missing" box."""
    box = font.getmask(_NEVER_ASSIGNED)
    glyph = font.getmask(character)
    return glyph.size != box.size or bytes(glyph) != bytes(box)
