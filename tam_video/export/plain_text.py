"""Escape untrusted text for formats with markup or formulas.

The libraries for XML and JSON escape text; what they don't escape is handled here.
"""

from __future__ import annotations

from tam_video.render import text_layout

_JOINER = "\u2060"
_FORMULA_STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
_UNWRITABLE = dict.fromkeys((0xFFFE, 0xFFFF))


def one_line(text: str) -> str:
    """Return a text as a single line that is valid in XML and JSON.

    Runs of spaces become one; control and direction characters are removed.
    """
    return text_layout.one_line(text).translate(_UNWRITABLE)


def path_component(text: str) -> str:
    """Convert a text to a path component: at most 60 letters, digits, dashes and underscores."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in text)[:60] or "video"


def writable(text: str) -> str:
    """Replace each lone surrogate with U+FFFD, so that the text can be encoded."""
    return text.translate(_SURROGATES)


def spreadsheet_cell(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula.

    Source: OWASP, CSV Injection.
    """
    return f"'{text}" if text.lstrip()[:1] in tuple(_FORMULA_STARTS) else text


def ass_text(text: str) -> str:
    """Escape a text as one line that an ASS player displays literally.

    The format can't represent braces: full-width braces replace them. An invisible word joiner
    prevents a backslash from starting a line break.
    """
    line = one_line(text).replace("{", "\uff5b").replace("}", "\uff5d")
    return line.replace("\\", "\\" + _JOINER)


def srt_text(text: str) -> str:
    """Escape a text as one line that a SubRip player displays literally.

    The format has no escapes, and players interpret ASS tags as well as "<b>": this is `ass_text`
    with a word joiner that prevents "<" from starting a tag.
    """
    return ass_text(text).replace("<", "<" + _JOINER)
