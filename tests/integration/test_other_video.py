"""Commands on a finished run refuse a file that was not explained, unless it is allowed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from report_runs import SAMPLE, make_explanation

import tam_video
from tam_video.cli import cli
from tam_video.video.reader import open_video
from tam_video.video.writer import write_video

COMMANDS = (("render",), ("report", "--force"), ("export", "-f", "csv", "--force"))


@pytest.fixture(scope="module")
def other_film(tmp_path_factory):
    """The sample negated and mirrored: another film with the same size and times."""
    path = tmp_path_factory.mktemp("films") / "other.mp4"
    with open_video(SAMPLE) as reader:
        info = reader.info
        frames = ((each.pts_seconds, 255 - each.rgb[:, ::-1]) for each in reader.frames())
        write_video(
            path, frames, width=info.width, height=info.height, average_fps=info.average_fps
        )
    return path


@pytest.fixture
def run(tmp_path):
    return make_explanation().save(tmp_path / "run")


def invoke(command, run, *options):
    name, *rest = command
    return CliRunner().invoke(cli, [name, str(run), *rest, *map(str, options)])


@pytest.mark.parametrize("command", COMMANDS)
def test_another_film_is_refused(command, run, other_film):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = invoke(command, run, "--video", other_film)
    assert done.exit_code == 1
    assert "is not the video that was explained" in done.stderr
    assert "--allow-other-video" in done.stderr
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize("command", COMMANDS)
def test_another_film_is_allowed_by_an_option_and_recorded(command, run, other_film):
    done = invoke(command, run, "--video", other_film, "--allow-other-video")
    assert done.exit_code == 0, done.output
    assert "other.mp4 is not the file that was explained" in done.stderr
    record = run / ("export/exports.json" if command[0] == "export" else "manifest.json")
    ((_, lines),) = json.loads(record.read_text())["warnings"].items()
    assert lines == ["other.mp4 is not the file that was explained"]
    if command[0] == "report":
        assert lines[0] in (run / "report.html").read_text(encoding="utf-8")

    again = invoke(command, run, "--video", SAMPLE, *(["--force"] if "report" in command else []))
    assert again.exit_code == 0, again.output
    assert "warnings" not in json.loads(record.read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_explained_file_needs_no_option(command, run):
    done = invoke(command, run, "--video", SAMPLE)
    assert done.exit_code == 0, done.output
    assert "warning" not in done.stderr.lower()


def test_the_python_functions_have_the_option(run, other_film):
    with pytest.raises(tam_video.TamVideoError, match="its content differs"):
        tam_video.render_run(run, video=other_film)
    files = tam_video.render_run(run, video=other_film, allow_other_video=True)
    assert files.warnings == ("other.mp4 is not the file that was explained",)
    with pytest.raises(tam_video.TamVideoError, match="its content differs"):
        tam_video.export_run(run, ["csv"], video=other_film)
    with pytest.raises(tam_video.TamVideoError, match="its content differs"):
        tam_video.compare_runs(
            [run, make_explanation().save(run.with_name("two"))],
            run.with_name("compared"),
            video=other_film,
        )
