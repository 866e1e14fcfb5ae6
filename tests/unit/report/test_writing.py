from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import pytest
from report_runs import SAMPLE, make_explanation

from tam_video.errors import (
    ConfigError,
    OutputExistsError,
    RunFolderError,
    VideoOpenError,
)
from tam_video.export.manifest import read_manifest, sha256
from tam_video.report import find_runs, write_index, write_report
from tam_video.report.writing import read_media, render_report


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return shutil.copy(SAMPLE, tmp_path_factory.mktemp("source") / "the clip.mp4")


@pytest.fixture(scope="module")
def written(tmp_path_factory, source):
    run = tmp_path_factory.mktemp("runs") / "run"
    make_explanation(source).save(run)
    write_report(run)
    return run


@pytest.fixture
def run(tmp_path, written):
    return shutil.copytree(written, tmp_path / "run")


def files(folder):
    return {path.name: sha256(path) for path in folder.iterdir()}


def test_a_report_and_its_clip_are_in_the_manifest(written):
    assert {p.name for p in written.iterdir()} == {
        "clip.mp4",
        "explanation.json",
        "manifest.json",
        "maps.npz",
        "report.html",
        "report.json",
        "thumb.jpg",
    }
    listed = read_manifest(written)
    assert listed["report.html"]["sha256"] == sha256(written / "report.html")
    text = (written / "report.html").read_text(encoding="utf-8")
    assert 'src="clip.mp4"' in text
    assert str(written.parent) not in text
    assert not re.search(r"https?://(?!www\.w3\.org)", text)


def test_an_existing_report_is_kept_without_force(run):
    before = files(run)
    with pytest.raises(OutputExistsError, match="exists"):
        write_report(run)
    assert files(run) == before
    assert write_report(run, force=True) == run / "report.html"


def test_a_single_file_contains_its_clip(run, tmp_path):
    page = write_report(run, single_file=True)
    assert page == run / "report_single.html"
    assert 'src="data:video/mp4;base64,' in page.read_text()
    before = files(run)
    mail = write_report(run, output=tmp_path / "mail" / "it.html")
    assert mail.read_bytes() == page.read_bytes()
    assert [p.name for p in mail.parent.iterdir()] == ["it.html"]
    assert files(run) == before
    with pytest.raises(OutputExistsError):
        write_report(run, output=mail)


def test_without_a_clip_no_picture_is_written(tmp_path):
    run = make_explanation().save(tmp_path / "run")
    text = write_report(run, clip=False).read_text()
    assert {p.suffix for p in run.iterdir()} == {".html", ".json", ".npz"}
    assert "<video" not in text
    assert "No picture of shapes.mp4" in text


def test_a_missing_source_is_an_error_and_changes_nothing(tmp_path):
    source = shutil.copy(SAMPLE, tmp_path / "gone.mp4")
    run = make_explanation(source).save(tmp_path / "run")
    (tmp_path / "gone.mp4").unlink()
    before = files(run)
    with pytest.raises(VideoOpenError) as caught:
        write_report(run)
    assert "--no-clip" in caught.value.hint
    assert files(run) == before
    assert write_report(run, video=SAMPLE).exists()
    with pytest.raises(ConfigError, match="2 videos"):
        write_report(run, video=[SAMPLE, SAMPLE], force=True)


def test_a_wrong_source_is_refused(run, clips):
    before = files(run)
    with pytest.raises(RunFolderError, match="not the video"):
        write_report(run, video=clips.path("h264_b"), force=True)
    assert files(run) == before


def test_a_folder_that_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="not a finished run"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_report_is_rendered_again_without_its_source(run):
    assert render_report(run).encoded() == (run / "report.html").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda listed: "not json",
        lambda listed: "[]",
        lambda listed: json.dumps({"inputs": []}),
        lambda listed: listed.replace("clip.mp4", "../clip.mp4"),
        lambda listed: listed.replace("clip.mp4", "none.mp4"),
        lambda listed: listed.replace('"kind"', '"sort"'),
        lambda listed: listed.replace('"video"', '"evil"'),
        lambda listed: listed.replace("0.0", '"soon"'),
    ],
)
def test_a_damaged_list_of_media_removes_only_the_pictures(run, damage):
    listed = run / "report.json"
    listed.write_text(damage(listed.read_text()))
    explanation = make_explanation()
    assert [media.sources for media in read_media(run, explanation)] == [()]
    assert "No picture" in render_report(run).html


def test_an_index_lists_runs_relative_to_itself(tmp_path, written):
    for name in ("b #2", "a/deep"):
        shutil.copytree(written, tmp_path / name)
    (tmp_path / "notes").mkdir()
    (tmp_path / ".hidden").mkdir()
    shutil.copytree(written, tmp_path / ".hidden" / "run")
    (tmp_path / "link").symlink_to(written)
    runs = find_runs(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in runs] == ["a/deep", "b #2"]
    page = write_index(runs, tmp_path / "index.html", title="<b>")
    text = page.read_text()
    assert 'href="a/deep/report.html"' in text
    assert 'href="b%20%232/report.html"' in text
    assert 'src="a/deep/thumb.jpg"' in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert write_index(runs[:1], page).read_text() != text


def test_an_index_does_not_replace_other_files(tmp_path, written):
    page = tmp_path / "index.html"
    page.write_text("mine")
    with pytest.raises(OutputExistsError):
        write_index([written], page)
    assert page.read_text() == "mine"
    write_index([written], page, force=True)


def test_an_index_of_a_damaged_run_is_an_error(tmp_path, run):
    (run / "explanation.json").write_text("{}")
    with pytest.raises(RunFolderError, match="not a finished run"):
        write_index([run], tmp_path / "index.html")


def test_reports_need_neither_torch_nor_transformers(written, tmp_path):
    run = shutil.copytree(written, tmp_path / "run")
    code = (
        "import sys; from tam_video.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "report", str(run), "--force"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(run / "report.html")
