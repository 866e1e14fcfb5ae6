"""Find each token's characters in the decoded text. Only the token ids are needed.

A token may contain part of a character (byte-level vocabularies split emoji and CJK). Offsets are
found by decoding growing prefixes: tokenising the text again might give other ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """The character range of one token.

    Attributes:
        text: characters that this token completes; joined, they give the whole text.
        start: offset of the first character that the token contains a part of.
        end: offset after the last character that the token contains a part of.
    """

    text: str
    start: int
    end: int


def token_spans(
    decode: Callable[[list[int]], str], ids: Sequence[int]
) -> tuple[str, tuple[TokenSpan, ...]]:
    """Compute the character span of each token in the text that `decode` returns.

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
            # Keep one finished group: decoders treat the start of a text differently.
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
