"""`tam-video run` without a model: what is checked, printed and refused."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tam_video.cli import cli
from tam_video.pipelines.base import PipelineResult
from tam_video.pipelines.video_qa import VideoQa

PRESETS = Path(__file__).parents[3] / "pipelines"


def run(*arguments):
    return CliRunner().invoke(cli, ["run", *map(str, arguments)])


@pytest.mark.parametrize("flag", ["--check-hashes", "--verify"])
def test_check_prints_all_keys_and_runs_nothing(tmp_path, flag):
    given = ["--set", "run.num_frames=4", "-o", tmp_path / "out", flag, "clip.mp4"]
    done = run(PRESETS / "video_qa.toml", "--check", *given)
    assert done.exit_code == 0, done.output
    document = tomllib.loads(done.stdout)
    assert document["inputs"] == ["clip.mp4"]
    assert document["output"] == str(tmp_path / "out")
    assert document["run"]["num_frames"] == 4
    assert document["verify"] is True
    assert "# run.fps is not set" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_check_in_json_is_one_object():
    done = run(PRESETS / "annotated_clip.toml", "--check", "--json")
    assert json.loads(done.stdout)["question"] == "Describe the video."


def test_an_invalid_preset_is_reported_line_by_line_with_exit_code_two(tmp_path):
    text = (PRESETS / "video_qa.toml").read_text().replace("[run]", "[run]\nnum_fram = 1\ncrf = 99")
    preset = tmp_path / "mine.toml"
    preset.write_text(text)
    line = text.split("\n").index("[run]") + 1
    done = run(preset)
    assert done.exit_code == 2
    assert done.stderr == (
        f"error: {preset}: 2 problems\n"
        f"  line {line + 1}, run.num_fram: unknown key; did you mean run.num_frames?\n"
        f"  line {line + 2}, run.crf: found 99, allowed: less than or equal to 51"
        " (hint: `tam-video run --new PIPELINE` shows all keys)\n"
    )
    document = json.loads(run(preset, "--json", "--quiet").stdout)["error"]
    assert document["type"] == "PresetError"


def test_text_of_a_preset_cannot_add_lines_to_the_output(tmp_path):
    preset = tmp_path / "mine.toml"
    preset.write_text('pipeline = "x\\n\\u001b[31mdone"\n')
    done = run(preset)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no preset given"),
        (["none.toml"], "can't be read"),
        (["--new", "video-q"], "did you mean video-qa"),
        ([PRESETS / "video_qa.toml", "--set", "nothing"], "is not KEY=VALUE"),
        ([PRESETS / "video_qa.toml", "--set", "fps=2"], "did you mean run.fps?"),
        ([PRESETS / "video_qa.toml", "no/such/clip.mp4"], "does not exist"),
    ],
)
def test_invalid_usage_is_reported(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_new_preset_is_the_shipped_one(tmp_path):
    done = run("--new", "annotated-clip")
    assert done.stdout == (PRESETS / "annotated_clip.toml").read_text()
    preset = tmp_path / "mine.toml"
    preset.write_text(done.stdout)
    assert run(preset, "--check", "clip.mp4").exit_code == 0


def test_pipelines_are_listed_with_their_summaries():
    done = run("--list")
    assert done.exit_code == 0, done.output
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["annotated-clip", "medical", "surveillance", "video-qa"]
    assert "video-qa        A pipeline that answers questions about clips" in done.stdout


@pytest.mark.parametrize("num_failed", [0, 2])
def test_the_path_to_open_is_the_result_and_failed_inputs_make_exit_code_three(
    monkeypatch, tmp_path, num_failed
):
    def document(self, *, force, progress):
        print("talk of a library")  # noqa: T201
        assert force
        progress("clips", 1, 2)
        return PipelineResult(tmp_path / "index.html", {"done": 1}, num_failed, ("odd",))

    monkeypatch.setattr(VideoQa, "run", document)
    done = run(PRESETS / "video_qa.toml", "--force")
    assert done.exit_code == (3 if num_failed else 0)
    assert done.stdout == f"{tmp_path / 'index.html'}\n"
    assert "warning: odd" in done.stderr
    assert "talk of a library" in done.stderr
    document = json.loads(run(PRESETS / "video_qa.toml", "--force", "--json").stdout)
    assert document["opens"] == str(tmp_path / "index.html")
    assert (document["done"], document["num_failed"]) == (1, num_failed)
