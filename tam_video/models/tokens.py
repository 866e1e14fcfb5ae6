"""Return the text tokens of a prompt or of an answer, with their offsets in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tam_video.models.base import EncodedPrompt, PlacedLayout
from tam_video.models.offsets import token_spans
from tam_video.models.prompt import chat_messages, check_prompt_text, control_ids
from tam_video.models.scores import TokenOdds
from tam_video.models.text_runs import find_text_runs
from tam_video.types import Candidate, FrameBatch, Message, Token

RUN_SEPARATOR = "\n"


def prompt_tokens(
    prompt: EncodedPrompt,
    turns: Sequence[Message],
    placed: Sequence[PlacedLayout],
    *,
    processor: Any,
) -> tuple[str, tuple[Token, ...]]:
    """Return the text tokens of the messages, each with its position in the prompt.

    Returns:
        The text, runs joined by a line break, and the tokens.
    """
    decode = partial(decode_ids, processor.tokenizer)
    runs = find_text_runs(
        prompt.input_ids,
        turns,
        visual=np.concatenate([each.positions for each in placed]),
        controls=control_ids(processor.tokenizer),
        decode=decode,
        render=lambda texts: _render(processor, turns, texts, inputs=prompt.inputs),
    )
    text = ""
    tokens: list[Token] = []
    for run in runs:
        ids = prompt.input_ids[run].tolist()
        first_index = len(tokens)
        start = len(text) + len(RUN_SEPARATOR) if text else 0
        run_text, spans = token_spans(decode, ids)
        text = f"{text}{RUN_SEPARATOR}{run_text}" if text else run_text
        tokens.extend(
            Token(
                index=first_index + offset,
                id=id_,
                text=span.text,
                role="prompt",
                position=position,
                char_start=start + span.start,
                char_end=start + span.end,
            )
            for offset, (id_, span, position) in enumerate(
                zip(ids, spans, run.tolist(), strict=True)
            )
        )
    check_prompt_text(text, turns)
    return text, tuple(tokens)


def answer_tokens(
    ids: list[int],
    positions: list[int],
    *,
    tokenizer: Any,
    odds: tuple[TokenOdds, ...],
    first_index: int,
) -> tuple[str, tuple[Token, ...]]:
    """Return the answer tokens, each with the sequence position whose logits predict the token."""
    text, spans = token_spans(partial(decode_ids, tokenizer), ids)
    tokens = (
        Token(
            index=first_index + offset,
            id=id_,
            text=span.text,
            role="answer",
            position=position,
            char_start=span.start,
            char_end=span.end,
            probability=chance.probability,
            candidates=tuple(
                Candidate(other, decode_ids(tokenizer, [other]), value)
                for other, value in chance.candidates
            ),
        )
        for offset, (id_, position, span, chance) in enumerate(
            zip(ids, positions, spans, odds, strict=True)
        )
    )
    return text, tuple(tokens)


def decode_ids(tokenizer: Any, ids: list[int]) -> str:
    """Decode token ids to text. Control tokens are kept, and spaces are not cleaned up."""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text


def _render(
    processor: Any, turns: Sequence[Message], texts: Sequence[str], *, inputs: Sequence[FrameBatch]
) -> str:
    """Render the chat template as text, with `texts` in place of the messages' own texts."""
    other = [replace(turn, text=text) for turn, text in zip(turns, texts, strict=True)]
    kinds = [{"type": "image" if batch.info.is_image else "video"} for batch in inputs]
    rendered: str = processor.apply_chat_template(
        chat_messages(other, kinds), tokenize=False, add_generation_prompt=True
    )
    return rendered
