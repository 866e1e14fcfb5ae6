import re
from html.parser import HTMLParser

import pytest

from tam_video.pipelines.medical.intake import MedicalClip
from tam_video.pipelines.medical.studies import Answer, Failure, group_by_study, write_pages

HOSTILE = "<script>alert(1)</script>\"'&"


def clip(name, study, **given):
    facts = {
        "clip": name,
        "study": study,
        "patient": "p1",
        "file": f"{name}.mp4",
        "modality": "US",
        "transfer_syntax": "RLE Lossless",
        "photometric": "RGB",
        "num_frames": 3,
        "width": 40,
        "height": 30,
        "duration_seconds": 1.0,
        "timing": "FrameTime",
        "black_share": 0.25,
        "has_burned_in": False,
        "warnings": (),
    }
    return MedicalClip(**{**facts, **given})


@pytest.fixture
def pages(tmp_path):
    clips = [clip("c1", "s1"), clip("c2", "s2", patient="", has_burned_in=True), clip("c3", "s1")]
    links = {"report": "../batch/runs/c1-aa/report.html", "dicom": "../dicom/c1.q1.dcm"}
    answers = {
        "c1": [Answer("q1", HOSTILE, HOSTILE, **links)],
        "c3": [Answer("q1", "What?", error=HOSTILE)],
    }
    thumb = tmp_path / "batch/runs/c1-aa/thumb.jpg"
    thumb.parent.mkdir(parents=True)
    thumb.write_bytes(b"x")
    studies = group_by_study(clips, answers, output=tmp_path)
    write_pages(tmp_path, studies, [Failure("input-4", HOSTILE, "mend it")], skipped=2)
    return tmp_path, studies


def text_of(path):
    class Words(HTMLParser):
        def __init__(self):
            super().__init__()
            self.words, self.tags = [], []

        def handle_starttag(self, tag, attrs):
            self.tags.append((tag, dict(attrs)))

        def handle_data(self, data):
            self.words.append(data)

    words = Words()
    words.feed(path.read_text())
    return " ".join(" ".join(words.words).split()), words.tags


def test_studies_group_their_clips_and_count_answers(pages):
    _, studies = pages
    assert [(s.study, len(s.clips), s.num_answers, s.num_failed) for s in studies] == [
        ("s1", 2, 1, 1),
        ("s2", 1, 0, 0),
    ]
    assert studies[0].thumb == "batch/runs/c1-aa/thumb.jpg"


def test_texts_are_escaped_and_no_script_may_run(pages):
    folder, _ = pages
    for path in (folder / "index.html", folder / "studies/s1.html"):
        words, tags = text_of(path)
        assert HOSTILE in words
        assert not [tag for tag, _ in tags if tag == "script"]
        policy = next(a["content"] for t, a in tags if a.get("http-equiv"))
        assert "script-src" not in policy
        assert "default-src 'none'" in policy


def test_every_page_has_the_notice_and_valid_links(pages):
    folder, _ = pages
    index, tags = text_of(folder / "index.html")
    assert "Not a medical device." in index
    assert "2 files without pictures left out" in index
    assert {a["href"] for t, a in tags if t == "a"} == {"studies/s1.html", "studies/s2.html"}
    words, tags = text_of(folder / "studies/s1.html")
    assert "Not a medical device." in words
    assert {a["href"] for t, a in tags if t == "a"} == {
        "../index.html",
        "../batch/runs/c1-aa/report.html",
        "../dicom/c1.q1.dcm",
    }


def test_burned_in_text_that_may_remain_is_reported(pages):
    folder, _ = pages
    assert "may still be in the picture" in text_of(folder / "studies/s2.html")[0]
    assert "may still be in the picture" not in text_of(folder / "studies/s1.html")[0]
    assert "No patient is named" in text_of(folder / "studies/s2.html")[0]


def test_pages_load_nothing_from_elsewhere(pages):
    folder, _ = pages
    for path in folder.rglob("*.html"):
        assert not re.search(r"(?:src|href)=\"https?:", path.read_text())
