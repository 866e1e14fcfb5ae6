import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysubs2 import SSAFile

from tam_video.errors import ExportError
from tam_video.render.subtitles import Cue, escape_cue, write_vtt


def test_cues_are_read_back_with_their_times(tmp_path):
    cues = [Cue(0.0, 0.5, "red"), Cue(0.5, 3661.25, "circle")]
    path = write_vtt(tmp_path / "c.vtt", cues)
    read = SSAFile.load(str(path))
    assert [(cue.start, cue.end, cue.text) for cue in read] == [
        (0, 500, "red"),
        (500, 3661250, "circle"),
    ]


def test_the_header_says_what_the_times_mean(tmp_path):
    text = write_vtt(tmp_path / "c.vtt", [Cue(0, 1, "a")]).read_text(encoding="utf-8")
    assert text.startswith("WEBVTT\n\nNOTE ")
    assert "not when it was spoken" in text
    assert "\n\n1\n00:00:00.000 --> 00:00:01.000\na\n" in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a --> b", "a --&gt; b"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("{\\b1}x\\N", "{&#92;b1}x&#92;N"),
        ("one\n\ntwo\r\t three", "one two three"),
        ("نعم\u200cها 红", "نعم\u200cها 红"),
        ("\ud800\x00", ""),
    ],
)
def test_text_cannot_break_out_of_its_cue(text, wanted):
    assert escape_cue(text) == wanted


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=5))
def test_any_text_gives_one_cue_each(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("vtt") / "c.vtt"
    write_vtt(path, [Cue(n, n + 1, text) for n, text in enumerate(texts)])
    body = path.read_text(encoding="utf-8")
    assert body.count("-->") == sum(bool(escape_cue(text)) for text in texts)
    assert "<" not in body


def test_a_cue_lasts_a_millisecond_at_least(tmp_path):
    text = write_vtt(tmp_path / "c.vtt", [Cue(1.0, 1.0, "a")]).read_text(encoding="utf-8")
    assert "00:00:01.000 --> 00:00:01.001" in text


def test_a_missing_folder_is_an_export_error(tmp_path):
    with pytest.raises(ExportError) as caught:
        write_vtt(tmp_path / "nowhere" / "c.vtt", [])
    assert caught.value.hint
