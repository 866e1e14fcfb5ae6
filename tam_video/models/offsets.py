"""Which characters each token stands for, from the ids alone.

A token may hold a part of a character (byte-level vocabularies cut emoji and CJK). Its place is
found by decoding growing prefixes: how the text would be tokenised again does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Characters of one token.

    Attributes:
        text: characters that this token completes; pieces joined give the whole text.
        start: offset of the first character the token has a part in.
        end: offset after the last character the token has a part in.
    """

    text: str
    start: int
    end: int


def token_spans(
    decode: Callable[[list[int]], str], ids: Sequence[int]
) -> tuple[str, tuple[TokenSpan, ...]]:
    """Place tokens in their text.

    Args:
        decode: turns ids into text without cleaning it up.
        ids: token ids.

    Returns:
        The text and one span per id. The byte pieces of one character share its span.
    """
    ids = list(ids)
    text, known, fresh = "", "", ""
    anchor = done = 0
    bounds, whole = [0], []
    for stop in range(1, len(ids) + 1):
        fresh = decode(ids[anchor:stop])[len(known) :]
        complete = fresh.rstrip(INCOMPLETE)
        bounds.append(max(bounds[-1], len(text) + len(complete)))
        whole.append(complete == fresh)
        if complete == fresh:
            text += fresh
            # One finished group stays in view: decoders treat the start of a text differently.
            anchor, done, fresh = done, stop, ""
            known = decode(ids[anchor:done])
    text += fresh
    if fresh:
        bounds[-1] = len(text)
    spans = (
        TokenSpan(text[start:end], start, end if complete else min(end + 1, len(text)))
        for start, end, complete in zip(bounds, bounds[1:], whole, strict=False)
    )
    return text, tuple(spans)
