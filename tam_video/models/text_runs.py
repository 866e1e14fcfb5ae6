"""Find the prompt tokens that encode the messages, for any chat template.

The template is rendered once with stand-ins for the texts, which gives the markup between them. In
the prompt only the placeholders of the inputs differ from that markup, so the texts are located
from the end: each is directly before its following markup. Nothing is tokenised again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from tam_video.errors import TokenAlignmentError
from tam_video.models.offsets import TokenSpan, token_spans
from tam_video.models.placing import split_runs
from tam_video.types import IntArray, Message

STAND_IN = "\N{LEFT DOUBLE QUOTATION MARK}turn{}\N{RIGHT DOUBLE QUOTATION MARK}"
CHANGES_TEXT = "the chat template of this checkpoint changes the text"


def find_text_runs(
    ids: IntArray,
    conversation: Sequence[Message],
    *,
    visual: IntArray,
    controls: frozenset[int],
    decode: Callable[[list[int]], str],
    render: Callable[[list[str]], str],
) -> tuple[IntArray, ...]:
    """Find the prompt tokens that encode the texts of user and assistant messages.

    Args:
        ids: int64 [L], the prompt.
        conversation: the turns.
        visual: positions of visual tokens, in any order.
        controls: ids of control tokens.
        decode: converts ids to text, including control tokens.
        render: the chat template with other texts in place of the turns', before tokenisation.

    Returns:
        int64 [n] each, positions of consecutive text tokens: no system turn, role header or control
        token.

    Raises:
        TokenAlignmentError: a text is not where the template puts it.
    """
    shown = np.flatnonzero(~np.isin(np.arange(len(ids)), visual))
    text, spans = token_spans(decode, ids[shown].tolist())
    squeezed = _Squeezed(text)
    bounds = _turn_bounds(squeezed.text, conversation, _markup_after(len(conversation), render))
    is_control = np.isin(ids[shown], list(controls))
    runs: list[IntArray] = []
    for turn, (start, end) in zip(conversation, bounds, strict=True):
        if turn.role != "system":
            inside = squeezed.tokens_inside(spans, start, end) & ~is_control
            runs.extend(split_runs(shown[inside]))
    return tuple(runs)


class _Squeezed:
    """A text normalised by `_squeeze`; `offsets[i]` is the new offset of character i."""

    def __init__(self, text: str) -> None:
        kept = [_squeeze_char(char) for char in text]
        self.original = text
        self.text = "".join(kept)
        self.offsets = np.concatenate([[0], np.cumsum([len(char) for char in kept])]).astype(int)

    def tokens_inside(self, spans: Sequence[TokenSpan], start: int, end: int) -> Any:
        """Return which tokens lie between the normalised offsets `start` and `end`: bool [n].

        Tokens that squeeze to nothing (white space, a single accent) are inside if they are between
        the first and the last of those characters, or are accents of the last one.
        """
        first = int(np.searchsorted(self.offsets, start, side="right")) - 1
        last = int(np.searchsorted(self.offsets, end, side="left"))
        while last < len(self.original) and unicodedata.combining(self.original[last]):
            last += 1
        bounds = np.array([(span.start, span.end) for span in spans], dtype=int).reshape(-1, 2)
        starts, ends = self.offsets[bounds[:, 0]], self.offsets[bounds[:, 1]]
        spelled = (starts < ends) & (starts >= start) & (ends <= end)
        return spelled | (
            (starts == ends) & (bounds[:, 0] >= first) & (bounds[:, 1] <= last) & (start < end)
        )


def _squeeze(text: str) -> str:
    """Normalise a text: drop white space and accents, fold case, and unify Unicode forms."""
    return "".join(map(_squeeze_char, text))


@lru_cache(maxsize=4096)
def _squeeze_char(char: str) -> str:
    # Decomposed character by character: a composed and a decomposed accent squeeze alike.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(
        part for part in folded if not part.isspace() and not unicodedata.combining(part)
    )


def _markup_after(num_turns: int, render: Callable[[list[str]], str]) -> list[str]:
    """Return the normalised markup that the chat template puts after each message."""
    stand_ins = [STAND_IN.format(number) for number in range(num_turns)]
    rest = render(stand_ins)
    markup = []
    for stand_in in stand_ins:
        before, marker, rest = rest.partition(stand_in)
        if not marker:
            raise TokenAlignmentError(
                "the chat template leaves a turn out or changes it",
                hint="remove the system turn",
            )
        markup.append(before)
    return [_squeeze(each) for each in (*markup[1:], rest)]


def _turn_bounds(
    text: str, conversation: Sequence[Message], after: Sequence[str]
) -> list[tuple[int, int]]:
    """Search the normalised prompt backwards, and return (start, end) of each message.

    Turns without inputs between them are located together with the markup between them, which is
    unchanged; if a tokenizer changed it, each turn is located separately.
    """
    texts = [_squeeze(turn.text) for turn in conversation]
    bounds = [0, *(n for n, turn in enumerate(conversation) if n and turn.inputs), len(texts)]
    blocks = [range(*pair) for pair in pairwise(bounds)]
    limit = len(text)
    turns: list[tuple[int, int]] = []
    while blocks:
        block = blocks.pop()
        together = "".join(texts[n] + after[n] for n in block[:-1]) + texts[block[-1]]
        start = _find_last(text, together, after[block[-1]], limit)
        if start < 0 and len(block) > 1:
            blocks.extend(range(n, n + 1) for n in block)
            continue
        if start < 0:
            raise TokenAlignmentError(
                f"the prompt does not contain the turn {conversation[block[0]].text[:60]!r}",
                hint=CHANGES_TEXT,
            )
        limit = at = start
        placed = []
        for n in block:
            placed.append((at, at + len(texts[n])))
            at += len(texts[n]) + len(after[n])
        turns = placed + turns
    return turns


def _find_last(text: str, target: str, follows: str, limit: int) -> int:
    """Return the last offset at which `target` is followed by as much of `follows` as possible.

    `follows` ends at the limit, unless a placeholder in it was expanded; then its beginning is
    unchanged. If not even that is found, `target` must occur only once.
    """
    if text.endswith(target + follows, 0, limit):
        return limit - len(target) - len(follows)
    for length in range(len(follows), 0, -1):
        start = text.rfind(target + follows[:length], 0, limit)
        if start >= 0:
            return start
    start = text.rfind(target, 0, limit)
    return start if start == text.find(target, 0, limit) else -1
