"""What the random-weight families share: the case, a tokenizer, a chat template, text sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CORPUS = (
    "a person is walking the dog in the park",
    "describe this video in detail, what moves? where is it?",
    "the red square moves to the right, seconds",
    "user assistant system USER ASSISTANT yes, no! Time Frame from 0 1 2 3 4 5 6 7 8 9",
) * 4
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
}


@dataclass(frozen=True)
class Case:
    """A family's random instance and what the contract has to know of it.

    Attributes:
        build: gives the model (the real generation class) and the processor, both on the CPU.
        clips: (frames, height, width) of an odd wide clip and an even tall one.
        short_clips: numbers of frames that must work.
        shows_images: whether the family takes still pictures.
        scale: what weight matrices are multiplied with, so that random answers are not all alike.
    """

    build: Callable[[], tuple[Any, Any]]
    clips: tuple[tuple[int, int, int], ...] = ((7, 96, 160), (6, 176, 80))
    short_clips: tuple[int, ...] = (1, 2, 3, 6, 7)
    shows_images: bool = True
    scale: float = 4.0

    def save(self, folder: Path) -> Path:
        """Build and save as a hub checkpoint is laid out; returns the folder."""
        import torch

        torch.manual_seed(0)
        model, processor = self.build()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(self.scale)
        model.eval().save_pretrained(folder)
        processor.save_pretrained(folder)
        return folder


def make_tokenizer(
    special: Sequence[str],
    *,
    named: Mapping[str, str] | None = None,
    bos: str = "<s>",
    eos: str = "</s>",
    pad: str = "<pad>",
) -> Any:
    """Byte-level BPE.

    Args:
        special: further control tokens, one id each.
        named: control tokens that the tokenizer shows as attributes (`video_token`, ...).
        bos: begin of text.
        eos: end of an answer.
        pad: padding.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    controls = list(dict.fromkeys([pad, bos, eos, *special, *(named or {}).values()]))
    trainer = trainers.BpeTrainer(
        vocab_size=420 + len(controls),
        special_tokens=controls,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=bos,
        eos_token=eos,
        pad_token=pad,
        extra_special_tokens=dict(named) if named else None,
        model_max_length=100_000,
    )
    taken = {pad, bos, eos, *(named or {}).values()}
    rest = [token for token in controls if token not in taken]
    if rest:
        tokenizer.add_tokens(rest, special_tokens=True)
    return tokenizer


def chat_template(*, video: str, image: str = "") -> str:
    """ChatML with the given placeholders."""
    return (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
        "{% if c['type'] == 'text' %}{{ c['text'] }}"
        f"{{% elif c['type'] == 'video' %}}{video}{{% elif c['type'] == 'image' %}}{image}"
        "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def text_config(tokenizer: Any, **more: Any) -> dict[str, Any]:
    """Sizes of a decoder of three layers."""
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        **more,
    }
