"""Untrusted text made harmless for formats that would read markup or formulas in it.

Escaping for XML and JSON is the work of their libraries; what those let through is dealt with here.
"""

from __future__ import annotations

from tam_video.render import text_layout

_JOINER = "\u2060"
_FORMULA_STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)
_UNWRITABLE = dict.fromkeys((0xFFFE, 0xFFFF))


def one_line(text: str) -> str:
    """A text on one line that every XML document, JSON string and list can hold.

    Spaces are joined; control characters and those of the writing direction are left out.
    """
    return text_layout.one_line(text).translate(_UNWRITABLE)


def writable(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which no file can hold."""
    return text.translate(_SURROGATES)


def spreadsheet_cell(text: str) -> str:
    """Text that a spreadsheet does not take for a formula: an apostrophe stands before one.

    Source: OWASP, CSV Injection.
    """
    return f"'{text}" if text.lstrip()[:1] in tuple(_FORMULA_STARTS) else text


def ass_text(text: str) -> str:
    """One line that an ASS player shows as it is.

    Braces can't be written in the format: their full-width forms stand for them. A word joiner,
    which can't be seen, keeps a backslash from beginning a line break.
    """
    wide = one_line(text).replace("{", "\uff5b").replace("}", "\uff5d")
    return wide.replace("\\", "\\" + _JOINER)


def srt_text(text: str) -> str:
    """One line that a SubRip player shows as it is.

    The format has no escapes, and players know the tags of ASS as well as "<b>": `ass_text`, and a
    word joiner that keeps "<" from beginning a tag.
    """
    return ass_text(text).replace("<", "<" + _JOINER)
