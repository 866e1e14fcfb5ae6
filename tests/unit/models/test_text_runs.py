"""Text tokens of a prompt, against ranges known from how the prompt was put together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.errors import TokenAlignmentError
from tam_video.models.placing import split_runs
from tam_video.models.text_runs import find_text_runs
from tam_video.types import IntArray, Message, Role

VISUAL = "\ue000"
PLACEHOLDER = "<video>"
CONTROLS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<s>", "</s>")
WORDS = re.compile("|".join(map(re.escape, (*CONTROLS, VISUAL))) + r"|\s?\w+|\s+|.", re.DOTALL)
EXPANSIONS = {
    "pads": VISUAL * 4,
    "markers": f"<|vision_start|>{VISUAL * 3}<|vision_end|>",
    "seconds": "".join(
        f"<{s} seconds><|vision_start|>{VISUAL * 2}<|vision_end|>" for s in (0.5, 1.5)
    ),
    "frames": "".join(f"Frame{n}: <|vision_start|>{VISUAL * 2}<|vision_end|>\n" for n in (1, 2)),
    "user words": f"user: what moves? {VISUAL * 2} assistant: ",
}
Pieces = list[str | int]  # template writing and the numbers of turns; PLACEHOLDER is a piece


def chatml(turns: Sequence[Message]) -> Pieces:
    pieces: Pieces = []
    for number, turn in enumerate(turns):
        pieces += [f"<|im_start|>{turn.role}\n", *[PLACEHOLDER] * len(turn.inputs), number]
        pieces += ["<|im_end|>\n"]
    return [*pieces, "<|im_start|>assistant\n"]


def vicuna(turns: Sequence[Message]) -> Pieces:
    """No control tokens around texts: roles are words."""
    pieces: Pieces = ["A chat between a curious user and an assistant. "]
    for number, turn in enumerate(turns):
        pieces += [{"system": "", "user": "USER: ", "assistant": "ASSISTANT: "}[turn.role]]
        pieces += [*[PLACEHOLDER, "\n"] * len(turn.inputs), number, " "]
    return [*pieces, "ASSISTANT:"]


def llama(turns: Sequence[Message]) -> Pieces:
    """The text is the last thing of the user's turn, pictures come behind the begin of text."""
    pieces: Pieces = ["<s>"]
    for number, turn in enumerate(turns):
        marks = {"system": ("<<SYS>> ", " <</SYS>> "), "user": ("[INST] ", " [/INST]")}
        before, after = marks.get(turn.role, (" ", " </s><s>"))
        pieces += [before, *[PLACEHOLDER] * len(turn.inputs), number, after]
    return pieces


TEMPLATES: dict[str, Callable[[Sequence[Message]], Pieces]] = {
    "chatml": chatml,
    "vicuna": vicuna,
    "llama": llama,
}


@dataclass
class Prompt:
    """Tokens of a prompt, and those of each turn by the characters it was put together from."""

    turns: Sequence[Message]
    template: Callable[[Sequence[Message]], Pieces]
    expansion: str

    def __post_init__(self) -> None:
        self.text, self.ranges = "", {}
        for piece in self.template(self.turns):
            if isinstance(piece, int):
                said = self.turns[piece].text
                lead = len(said) - len(said.lstrip())
                self.ranges[piece] = (
                    len(self.text) + lead,
                    len(self.text) + len(said.rstrip()),
                )
                self.text += said
            else:
                self.text += self.expansion if piece == PLACEHOLDER else piece
        self.pieces: list[bytes] = []
        self.places: list[tuple[int, int]] = []
        for match in WORDS.finditer(self.text):
            word, place = match.group(), match.span()
            # Emoji come as single bytes, as in a byte-level vocabulary.
            split = [bytes([byte]) for byte in word.encode()] if ord(word[0]) > 0xFFFF else None
            for piece_ in split or [word.encode()]:
                self.pieces.append(piece_)
                self.places.append(place)

    def decode(self, ids: list[int]) -> str:
        return b"".join(self.pieces[i] for i in ids).decode(errors="replace")

    def render(self, texts: list[str]) -> str:
        return "".join(
            texts[piece] if isinstance(piece, int) else piece for piece in self.template(self.turns)
        )

    def ids_of(self, wanted: Sequence[str]) -> list[int]:
        return [
            i for i, piece in enumerate(self.pieces) if piece.decode(errors="replace") in wanted
        ]

    def expected(self) -> list[IntArray]:
        runs: list[IntArray] = []
        for number, turn in enumerate(self.turns):
            if turn.role != "system":
                first, last = self.ranges[number]
                runs += split_runs(
                    np.array([i for i, p in enumerate(self.places) if self._is_in(p, first, last)])
                )
        return runs

    def _is_in(self, place: tuple[int, int], first: int, last: int) -> bool:
        word = self.text[slice(*place)]
        lead = len(word) - len(word.lstrip()) if word.strip() else 0
        return first <= place[0] + lead and place[1] <= last


def find(prompt: Prompt) -> list[IntArray]:
    return list(
        find_text_runs(
            np.arange(len(prompt.pieces)),  # every token is its own vocabulary entry
            prompt.turns,
            visual=np.array(prompt.ids_of([VISUAL]), dtype=np.int64),
            controls=frozenset(prompt.ids_of(CONTROLS)),
            decode=prompt.decode,
            render=prompt.render,
        )
    )


def assert_found(prompt: Prompt) -> None:
    result, expected = find(prompt), prompt.expected()
    assert [run.tolist() for run in result] == [run.tolist() for run in expected]


def ask(*texts: str, system: str = "", shown: Sequence[int] = (0,)) -> list[Message]:
    """User and assistant in turns; `shown` user turns (counted among them) show a video each."""
    turns = [Message("system", system)] if system else []
    numbers = iter(range(len(shown)))
    for place, text in enumerate(texts):
        role: Role = "assistant" if place % 2 else "user"
        inputs = (next(numbers),) if role == "user" and place // 2 in shown else ()
        turns.append(Message(role, text, inputs))
    return turns


every_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
every_expansion = pytest.mark.parametrize("expansion", EXPANSIONS.values(), ids=EXPANSIONS)


@every_template
@every_expansion
@pytest.mark.parametrize(
    "turns",
    [
        ask("what moves?"),
        ask("what moves?", "the red square", "where is it?"),
        ask("user"),
        ask("assistant"),
        ask("ASSISTANT: user", "USER: assistant", "user"),
        ask("what?", "a dog", "what?", "a dog", "what?"),
        ask("what?", "what?", "what?"),
        ask("what moves?", system="You are an assistant. what moves?"),
        ask("s", "e", "s", "e", "s"),
        ask("seconds", "0.5 seconds", "Frame1:"),
        ask("红色方块😀在哪里?", "😀😀", "方"),
        ask("  two  spaces\nand a line \n", "yes", " why? "),
        ask("STRAßE und Straße, ﬁne İstanbul?"),
        ask("what?", "a dog", "what?", "a dog", "and now?", shown=(0, 1, 2)),
        ask("hello", "hello", "what moves?", shown=(1,)),
        ask("hello", "a", "hello", "a", "a", shown=(1, 2)),
        ask("no picture at all", shown=()),
        ask("user", "USER:", "user", shown=(0, 1)),
    ],
    ids=lambda turns: turns[-1].text[:12].strip() if isinstance(turns, list) else None,
)
def test_the_tokens_of_each_turn_are_found(
    turns: list[Message], template: Callable[[Sequence[Message]], Pieces], expansion: str
) -> None:
    assert_found(Prompt(turns, template, expansion))


PARTS = ["user", "assistant", "USER:", "system", "a", "s", "Frame1:", "seconds", "方块", "😀", " "]
texts = st.lists(st.sampled_from([*PARTS, "é", "e\u0301", "?", "\n", "ß", "0.5"]), min_size=1)
some_text = texts.map("".join).filter(lambda text: bool(text.strip()))


@given(
    said=st.lists(some_text, min_size=1, max_size=7).map(lambda s: s[: len(s) - 1 + len(s) % 2]),
    system=st.sampled_from(["", "Be brief, assistant.", "user"]),
    shown=st.sets(st.integers(0, 3)).map(sorted),
    template=st.sampled_from(list(TEMPLATES.values())),
    expansion=st.sampled_from(list(EXPANSIONS.values())),
)
@settings(max_examples=60, deadline=None)
def test_any_conversation_is_found(
    said: list[str],
    system: str,
    shown: list[int],
    template: Callable[[Sequence[Message]], Pieces],
    expansion: str,
) -> None:
    shown = [place for place in shown if place <= len(said) // 2]
    assert_found(Prompt(ask(*said, system=system, shown=shown), template, expansion))


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_tokenizer_may_change_the_unicode_form(
    form: Literal["NFC", "NFD", "NFKC", "NFKD"],
) -> None:
    asked = ask("Wo ist das Café, cafe\u0301?", "한국", "où e\u0301")
    kept = [
        Message(turn.role, unicodedata.normalize(form, turn.text), turn.inputs) for turn in asked
    ]
    prompt = Prompt(kept, chatml, EXPANSIONS["seconds"])
    prompt.turns = asked
    expected = prompt.expected()
    assert [run.tolist() for run in find(prompt)] == [run.tolist() for run in expected]


def test_lower_case_of_an_uncased_tokenizer_is_no_change() -> None:
    prompt = Prompt(ask("what moves?"), chatml, EXPANSIONS["pads"])
    prompt.turns = ask("What Moves?")
    assert_found(prompt)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("red", "blue"),
        lambda text: text.replace(" ", "_"),
        lambda text: text.split(" ")[0],
    ],
)
@every_template
def test_a_template_that_changes_a_text_is_refused(
    change: Callable[[str], str], template: Callable[[Sequence[Message]], Pieces]
) -> None:
    prompt = Prompt(ask("what?", change("the red square"), "where?"), template, EXPANSIONS["pads"])
    prompt.turns = ask("what?", "the red square", "where?")
    with pytest.raises(TokenAlignmentError, match="does not contain the turn 'the red square'"):
        find(prompt)


def test_a_template_that_leaves_a_turn_out_is_refused() -> None:
    def without_system(turns: Sequence[Message]) -> Pieces:
        return [p for p in chatml(turns) if not (isinstance(p, int) and turns[p].role == "system")]

    prompt = Prompt(ask("what?", system="Be brief."), without_system, EXPANSIONS["pads"])
    with pytest.raises(TokenAlignmentError, match="leaves a turn out") as caught:
        find(prompt)
    assert "system" in caught.value.hint


def test_a_template_that_changes_stand_ins_is_refused() -> None:
    prompt = Prompt(ask("what?"), chatml, EXPANSIONS["pads"])
    prompt.render = lambda texts: Prompt.render(prompt, [t.upper() for t in texts])  # type: ignore[method-assign]
    with pytest.raises(TokenAlignmentError, match="leaves a turn out or changes it"):
        find(prompt)


def test_without_any_writing_around_only_a_single_place_is_taken() -> None:
    def bare(turns: Sequence[Message]) -> Pieces:
        pieces: Pieces = []
        for number, turn in enumerate(turns):
            pieces += [number, *[PLACEHOLDER] * len(turn.inputs)]
        return pieces

    assert_found(Prompt(ask("what moves?"), bare, f" {VISUAL}{VISUAL} "))
    with pytest.raises(TokenAlignmentError, match="does not contain"):
        find(Prompt(ask("what moves?"), bare, f" what moves? {VISUAL}{VISUAL} "))


def test_writing_that_a_tokenizer_changes_does_not_hide_the_turns() -> None:
    def other(turns: Sequence[Message]) -> Pieces:
        return [p.replace("user", "User #") if isinstance(p, str) else p for p in chatml(turns)]

    prompt = Prompt(ask("what?", "user", "where?"), other, EXPANSIONS["seconds"])
    prompt.template = chatml
    assert_found(prompt)


def test_tokens_behind_the_template_do_not_hide_the_turns() -> None:
    def longer(turns: Sequence[Message]) -> Pieces:
        return [*chatml(turns), "</s>"]

    prompt = Prompt(ask("user", "assistant", "user"), longer, EXPANSIONS["seconds"])
    prompt.template = chatml  # the tokenizer adds an end that the template does not write
    assert_found(prompt)
