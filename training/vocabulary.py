"""The tokenizer and the processor of `tiny`: a byte-level BPE with the words of its world.

Any text can be tokenised (bytes); the words of the world are one token each, except a few that are
split deliberately to test the joining of sub-tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SPLIT_WORDS = {"triangle": ("tri", "angle"), "purple": ("pur", "ple"), "orange": ("or", "ange")}
FIRST_WORDS = tuple(
    "The Yes No There A An It What How Is Where When Describe user assistant system video".split()  # noqa: SIM905
)
INNER_WORDS = tuple(
    """a an is no the there it of at in only object objects one two three many are color shape does
    do move moves stays still left right up down top bottom center start end whole time visible
    video seconds red yellow green cyan blue white circle square star cross ring""".split()  # noqa: SIM905
)
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "<|im_start|>{{ message['role'] }}\n"
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>"
    "{%- elif part['type'] == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>"
    "{%- elif part['type'] == 'text' -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "<|im_end|>\n"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n{%- endif -%}"
).replace("\n", "{{ '\\n' }}")


def merges(more_words: Sequence[str] = ()) -> list[tuple[str, str]]:
    """BPE merges that build each known piece from left to right, earliest first.

    More words are built from the tokens that the earlier rules split them into.
    """
    pieces = [f"Ġ{word}" for word in INNER_WORDS]
    pieces += [f"Ġ{head}" for head, _ in SPLIT_WORDS.values()]
    pieces += FIRST_WORDS
    pieces += [tail for _, tail in SPLIT_WORDS.values()]
    pairs: dict[tuple[str, str], None] = {}
    for piece in pieces:
        for stop in range(1, len(piece)):
            pairs.setdefault((piece[:stop], piece[stop]))
    for word in more_words:
        tokens = _apply(list(pairs), [*f"Ġ{word}"])
        for stop in range(1, len(tokens)):
            pairs.setdefault(("".join(tokens[:stop]), tokens[stop]))
    return list(pairs)


def _apply(rules: Sequence[tuple[str, str]], tokens: list[str]) -> list[str]:
    """Return the tokens after the merges, earliest rule first."""
    for left, right in rules:
        at = 0
        while at + 1 < len(tokens):
            if (tokens[at], tokens[at + 1]) == (left, right):
                tokens[at : at + 2] = [left + right]
            at += 1
    return tokens


def make_tokenizer(more_words: Sequence[str] = ()) -> Any:
    """A fast tokenizer with about 500 entries; asserts that words split as intended.

    Entries for more words come last: those of `tiny` keep their numbers.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    rules = merges(more_words)
    entries = [*SPECIAL, *alphabet, *dict.fromkeys(left + right for left, right in rules)]
    bpe = models.BPE(vocab={entry: i for i, entry in enumerate(entries)}, merges=rules)
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(SPECIAL[1:]),
        model_max_length=8192,
    )
    for word in (*INNER_WORDS, *more_words):
        assert len(fast(f" {word}")["input_ids"]) == 1, word
    for word in SPLIT_WORDS:
        assert len(fast(f" {word}")["input_ids"]) == 2, word
    for word in FIRST_WORDS:
        assert len(fast(word)["input_ids"]) == 1, word
    return fast


def make_processor(tokenizer: Any | None = None) -> Any:
    """The Qwen3-VL processor of `tiny`: patch 16, no merging, 12 frames of a four-second clip."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    return Qwen3VLProcessor(
        Qwen2VLImageProcessor(
            patch_size=16,
            merge_size=1,
            size={"shortest_edge": 160 * 160, "longest_edge": 288 * 288},
        ),
        tokenizer or make_tokenizer(),
        Qwen3VLVideoProcessor(
            patch_size=16,
            merge_size=1,
            temporal_patch_size=2,
            size={"shortest_edge": 2 * 160 * 160, "longest_edge": 12 * 224 * 224},
            fps=3,
            min_frames=4,
            max_frames=12,
            cap_pixels_per_frame=False,
        ),
        chat_template=CHAT_TEMPLATE,
    )
