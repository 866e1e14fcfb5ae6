"""Character spans of tokens, against a byte-level vocabulary of the test's own."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tam_video.models.offsets import token_spans


def decode(ids: list[int]) -> str:
    """Ids are bytes, or whole words from 256 on."""
    raw = b"".join(bytes([i]) if i < 256 else WORDS[i - 256].encode() for i in ids)
    return raw.decode("utf-8", errors="replace")


def encode(text: str) -> list[int]:
    return list(text.encode("utf-8"))


WORDS = [" red", "方块", "😀😀", " caf\u00e9", ""]


def test_whole_words_follow_each_other() -> None:
    text, spans = token_spans(decode, [256, 257, 256])
    assert text == " red方块 red"
    assert [(span.text, span.start, span.end) for span in spans] == [
        (" red", 0, 4),
        ("方块", 4, 6),
        (" red", 6, 10),
    ]


def test_bytes_of_one_character_share_its_span() -> None:
    text, spans = token_spans(decode, [*encode("a😀"), *encode("方")])
    assert text == "a😀方"
    assert [(span.start, span.end) for span in spans] == [(0, 1), *[(1, 2)] * 4, *[(2, 3)] * 3]
    assert [span.text for span in spans] == ["a", "", "", "", "😀", "", "", "方"]


def test_an_unfinished_last_character_stays_in_the_text() -> None:
    text, spans = token_spans(decode, [256, *encode("😀")[:2]])
    assert text == " red\N{REPLACEMENT CHARACTER}"
    assert [(span.start, span.end) for span in spans] == [(0, 4), (4, 5), (4, 5)]
    assert "".join(span.text for span in spans) == text


def test_no_tokens_are_no_text() -> None:
    assert token_spans(decode, []) == ("", ())


def test_a_decoder_that_drops_the_first_space_keeps_the_others() -> None:
    def stripping(ids: list[int]) -> str:
        return decode(ids).removeprefix(" ")

    text, spans = token_spans(stripping, [256, 256, 257, 256])
    assert text == "red red方块 red"
    assert [span.text for span in spans] == ["red", " red", "方块", " red"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=4).map(encode), st.lists(st.integers(256, 260), max_size=4)),
        max_size=5,
    )
)
def test_pieces_join_to_the_text_and_spans_cover_it(parts: list[list[int]]) -> None:
    ids = [token for part in parts for token in part]
    text, spans = token_spans(decode, ids)
    assert text == decode(ids)
    assert len(spans) == len(ids)
    assert "".join(span.text for span in spans) == text
    covered = {place for span in spans for place in range(span.start, span.end)}
    assert covered == set(range(len(text)))
    assert all(0 <= span.start <= span.end <= len(text) for span in spans)
    starts = [span.start for span in spans]
    assert starts == sorted(starts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 260), max_size=12))
def test_invalid_bytes_never_break_the_bounds(ids: list[int]) -> None:
    text, spans = token_spans(decode, ids)
    assert len(spans) == len(ids)
    assert "".join(span.text for span in spans) == text
    assert all(0 <= span.start <= span.end <= len(text) for span in spans)
