import csv
import io
import json
from xml.etree import ElementTree

import pytest
from constructed import HOSTILE
from hypothesis import given
from hypothesis import strategies as st
from pysubs2 import SSAEvent, SSAFile

from tam_video.export.plain_text import (
    ass_text,
    one_line,
    path_component,
    spreadsheet_cell,
    srt_text,
    writable,
)

ANY_TEXT = st.text() | st.text(st.characters(codec=None)) | st.sampled_from(HOSTILE)


@given(ANY_TEXT)
def test_one_line_is_valid_in_every_format(text):
    line = one_line(text)
    assert line == one_line(line)
    assert line.splitlines() in ([line], [])
    element = ElementTree.Element("a", {"b": line})
    element.text = line
    read = ElementTree.fromstring(ElementTree.tostring(element, encoding="utf-8"))
    assert (read.get("b"), read.text or "") == (line, line)
    assert json.loads(json.dumps(line, ensure_ascii=False).encode()) == line


@given(ANY_TEXT)
def test_writable_text_keeps_its_length(text):
    assert len(writable(text).encode().decode()) == len(text)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\uff1d1"])
def test_formulas_are_guarded(text):
    assert spreadsheet_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["a=b", "", "'", "red", "2-1"])
def test_other_cells_are_left_alone(text):
    assert spreadsheet_cell(text) == text


@given(ANY_TEXT)
def test_no_cell_of_a_row_begins_a_formula(text):
    file = io.StringIO()
    csv.writer(file).writerow([spreadsheet_cell(one_line(text)), 1])
    ((cell, _),) = csv.reader(io.StringIO(file.getvalue()))
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))


@given(ANY_TEXT)
def test_srt_and_ass_read_text_as_text(text):
    for kind, shown in (("srt", srt_text(text)), ("ass", ass_text(text))):
        subtitles = SSAFile()
        subtitles.append(SSAEvent(start=0, end=1000, text=f"x{shown}x"))
        written = subtitles.to_string(kind, keep_ssa_tags=True) if kind == "srt" else None
        read = SSAFile.from_string(written or subtitles.to_string("ass"))
        plain = read[0].plaintext.translate({0x2060: None, 0xFF5B: "{", 0xFF5D: "}"})
        wanted = one_line(text).translate({0x2060: None, 0xFF5B: "{", 0xFF5D: "}"})
        assert plain == f"x{wanted}x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("My clip-1_b", "My_clip-1_b"), ("../a.b/c", "___a_b_c"), ("猫 é2", "猫_é2"), ("", "video"),
     ("x" * 61, "x" * 60), ("." * 3, "___")],
)  # fmt: skip
def test_a_path_component_is_plain_and_short(text, expected):
    assert path_component(text) == expected


@pytest.mark.parametrize(
    ("text", "ass", "srt"),
    [
        ("red", "red", "red"),
        ("{b}", "\uff5bb\uff5d", "\uff5bb\uff5d"),
        ("a\\N", "a\\\u2060N", "a\\\u2060N"),
        ("<b>", "<b>", "<\u2060b>"),
        ("a\n b", "a b", "a b"),
    ],
)
def test_markup_of_subtitles_is_replaced(text, ass, srt):
    assert (ass_text(text), srt_text(text)) == (ass, srt)


def test_only_lone_surrogates_and_noncharacters_are_replaced():
    assert writable("a\ud800\udfffb\ud7ff\ue000") == "a\ufffd\ufffdb\ud7ff\ue000"
    assert one_line("a\ufffe\uffff\ufffdb") == "a\ufffdb"
