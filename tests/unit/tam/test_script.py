import sys
import unicodedata

import pytest

from tam_video.tam import script
from tam_video.tam.script import is_content_word, script_runs


@pytest.mark.parametrize(
    "word",
    ["red", "Triangle", "moves", "up", "left", "No", "yes", "3", "car", "man", "hat", "Kreis",
     "rouge", "círculo", "красный", "红", "أحمر", "लाल", "빨간", "two-storey"],
)  # fmt: skip
def test_words_of_a_scene_are_content(word):
    assert is_content_word(word)


@pytest.mark.parametrize(
    "word",
    ["the", "The", "is", "don't", "don’t", "über", "U\u0308BER", "der", "est", "où", "c’est",
     "está", "y", ".", "...", "—", "،", "。", "$"],
)  # fmt: skip
def test_function_words_and_punctuation_are_not_content(word):
    assert not is_content_word(word)


def test_emoji_are_content():
    assert [run.is_content for run in script_runs("🔴 ❤️ .", borders=())] == [True, True, False]


def test_unspaced_text_is_cut_at_borders_but_never_before_a_mark():
    spans = [(part.start, part.end) for part in script_runs("ที่นี่", borders={1, 3, 5})]

    assert spans == [(0, 3), (3, 6)]


def test_long_odd_text_is_cut_in_linear_time():
    text = "a" + "\u200d-" * 20_000 + "b" * 20_000

    assert len(list(script_runs(text, borders=()))) > 1


UNSPACED = (
    "THAI ", "LAO ", "MYANMAR ", "KHMER ", "CJK ", "HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA",
    "COMBINING KATAKANA-HIRAGANA", "BOPOMOFO ", "HANGZHOU ", "IDEOGRAPHIC CLOSING",
    "IDEOGRAPHIC ITERATION", "IDEOGRAPHIC NUMBER", "VERTICAL KANA", "VERTICAL IDEOGRAPHIC",
    "HENTAIGANA ", "MASU MARK",
)  # fmt: skip


def test_letters_of_scripts_without_spaces_are_unspaced():
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character)[0] in "LMN":
            name = unicodedata.name(character, "")
            assert (script._class_of(character) == "u") == name.startswith(UNSPACED), name


@pytest.mark.parametrize(
    "text",
    [
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "👍🏻",
        "👍🏿",
        "🇦🇿",
        "👩\u200d🚀",
        "❤\ufe0f",
        "⇿",
        "☎",
    ],
)
def test_an_emoji_with_all_its_parts_is_one_word(text):
    assert [(run.start, run.end) for run in script_runs(text, borders=range(9))] == [(0, len(text))]
