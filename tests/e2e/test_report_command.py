"""`tam-video report` on runs and on folders of runs."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from report_runs import SAMPLE, make_explanation

from tam_video.cli import cli


def run(*args):
    return CliRunner().invoke(cli, ["report", *map(str, args)])


@pytest.fixture(scope="module")
def unreported(tmp_path_factory):
    """Two runs, the second of a clip that is gone."""
    folder = tmp_path_factory.mktemp("runs")
    gone = shutil.copy(SAMPLE, folder / "gone.mp4")
    make_explanation().save(folder / "a")
    make_explanation(gone).save(folder / "b")
    (folder / "gone.mp4").unlink()
    return folder


@pytest.fixture
def runs(tmp_path, unreported):
    return shutil.copytree(unreported, tmp_path / "runs")


def test_one_run_prints_its_page(runs):
    done = run(runs / "a", "--json", "--quiet")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "run_dir": str(runs / "a"),
        "report": str(runs / "a" / "report.html"),
    }
    again = run(runs / "a")
    assert again.exit_code == 1
    assert "--force" in again.stderr


def test_many_runs_get_reports_and_an_index(runs):
    done = run(runs)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(runs / "index.html")
    assert "has a report without clip" in done.stderr
    assert (runs / "a" / "clip.mp4").is_file()
    assert not (runs / "b" / "clip.mp4").exists()
    first = (runs / "a" / "report.html").stat().st_mtime_ns
    assert run(runs).exit_code == 0  # the index is made anew, the reports are kept
    assert (runs / "a" / "report.html").stat().st_mtime_ns == first
    assert run(runs, "--no-clip", "--force").exit_code == 0
    assert "<video" not in (runs / "a" / "report.html").read_text()


def test_another_index_file_is_kept(runs):
    (runs / "index.html").write_text("mine")
    done = run(runs)
    assert done.exit_code == 1
    assert (runs / "index.html").read_text() == "mine"
    assert not (runs / "a" / "report.html").exists()
    assert run(runs, "-o", runs / "list.html").exit_code == 0


@pytest.mark.parametrize("options", [["--single-file"], ["--video", "x.mp4"]])
def test_options_for_one_run_are_refused_for_many(runs, options):
    done = run(runs, *options)
    assert done.exit_code == 2
    assert "one run" in done.stderr


def test_a_folder_without_runs_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        done = run(folder)
        assert done.exit_code == 1
        assert "not a finished run" in done.stderr
    assert run(tmp_path, "--nonsense").exit_code == 2


def test_a_missing_clip_has_a_hint(runs):
    done = run(runs / "b")
    assert done.exit_code == 1
    assert "--no-clip" in done.stderr
    assert run(runs / "b", "--video", SAMPLE).exit_code == 0
