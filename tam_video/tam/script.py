"""Find word boundaries in any language from the Unicode class of each character."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tam_video.tam.function_words import FUNCTION_WORDS

_INNER = frozenset("'’ʼ-‐‑·_־׳״＇")
_NUMBER_INNER = frozenset(".,:/")
_ZERO_WIDTH_JOINERS = frozenset("\u200c\u200d")
_UNKNOWN = "\ufffd"

# Scripts written without spaces between words; code point ranges, both ends included.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # CJK radicals
    (0x3005, 0x3007),  # iteration mark, zero
    (0x3021, 0x3029),  # Hangzhou numerals
    (0x3031, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31BF),  # Bopomofo extended
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),  # Myanmar extended
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),  # Han compatibility
    (0xFF66, 0xFF9F),  # Katakana, half width
    (0x1AFF0, 0x1B16F),  # Kana supplement
    (0x20000, 0x3FFFF),  # Han, supplementary planes
)

# A regular expression over the classes of characters, one letter per class: a letter, d digit,
# m mark, u unspaced letter, j inner joiner, n inner of numbers, z zero-width joiner, e emoji,
# k skin tone, r regional indicator, p other visible, s invisible.
_SEGMENT = re.compile(
    r"(?P<word>[adm]+(?:(?:z?j?z?|(?<=d)n(?=d))[ad][adm]*)*)"
    r"|(?P<unspaced>u[umz]*)"
    r"|(?P<emoji>rr?m*|[ek][mk]*(?:z[ek][mk]*)*)"
    r"|(?P<other>[pjn][m]*)"
)


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """A run of characters that forms one word.

    Attributes:
        start: offset of its first character.
        end: offset after its last character.
        is_content: False for function words and punctuation.
    """

    start: int
    end: int
    is_content: bool


def script_runs(text: str, *, borders: Collection[int]) -> Iterator[ScriptRun]:
    """Split text into words from left to right; words do not overlap or contain white space.

    Letters, digits and their marks make a word, with inner apostrophes, hyphens and (in numbers)
    separators; text of scripts without spaces is split at `borders`; an emoji sequence is a word,
    and so is every other visible character.

    Args:
        text: any text.
        borders: offsets at which unspaced text is split: the boundaries of tokens.
    """
    for match in _SEGMENT.finditer("".join(map(_class_of, text))):
        start, end = match.span()
        if match.lastgroup == "unspaced":
            yield from _split_unspaced(text, start, end, borders)
        else:
            is_content = match.lastgroup == "emoji" or is_content_word(text[start:end])
            yield ScriptRun(start, end, is_content)


def is_content_word(word: str) -> bool:
    """Return whether a word is neither a function word nor punctuation.

    Function words are known for English, German, French and Spanish; in any other language a word
    counts when it contains a letter or a digit. "yes" and "no" count: they are answers.
    """
    plain = unicodedata.normalize("NFC", word).casefold().replace("’", "'")
    return any(map(str.isalnum, plain)) and plain not in FUNCTION_WORDS


def _split_unspaced(
    text: str, start: int, end: int, borders: Collection[int]
) -> Iterator[ScriptRun]:
    """Yield the words of text without spaces. Combining marks stay with their base character."""
    inner = (i for i in range(start + 1, end) if i in borders and not _is_mark(text[i]))
    edges = [start, *inner, end]
    for left, right in pairwise(edges):
        yield ScriptRun(left, right, is_content_word(text[left:right]))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in _ZERO_WIDTH_JOINERS


def _class_of(character: str) -> str:
    """Return the letter that stands for a character's class in `_SEGMENT`."""
    code, category = ord(character), unicodedata.category(character)
    if character in _ZERO_WIDTH_JOINERS:
        return "z"
    if character.isspace() or category in ("Cc", "Cf", "Cn", "Cs"):
        return "m" if 0xE0020 <= code <= 0xE007F else "s"
    if character in _INNER:
        return "j"
    if character in _NUMBER_INNER:
        return "n"
    if category[0] in "LMN":
        return _class_of_letter(code, category)
    return _class_of_symbol(character, category)


def _class_of_letter(code: int, category: str) -> str:
    if any(first <= code <= last for first, last in _UNSPACED):
        return "u"
    return {"L": "a", "M": "m", "N": "d"}[category[0]]


def _class_of_symbol(character: str, category: str) -> str:
    code = ord(character)
    if character == _UNKNOWN:
        return "a"
    if 0x1F3FB <= code <= 0x1F3FF:
        return "k"
    if 0x1F1E6 <= code <= 0x1F1FF:
        return "r"
    return "e" if category == "So" and code >= 0x2190 else "p"
