import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from constructed import make_explanation, moving_maps

from tam_video.cli import cli
from tam_video.export import EXPORTERS


@pytest.fixture
def run(tmp_path):
    return make_explanation(moving_maps(2), words=["red", "star"]).save(tmp_path / "run")


def call(*arguments):
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def test_formats_are_written_and_named(run):
    done = call(run, "-f", "vtt, spans", "-f", "cvat")
    assert done.exit_code == 0
    out = run / "export"
    names = ["words.vtt", "spans.json", "cvat.xml"]
    assert done.stdout.splitlines() == [str(out / name) for name in names]
    assert "estimated" in done.stderr
    assert all((out / name).is_file() for name in names)


def test_json_is_one_object(run, tmp_path):
    done = call(run, "-f", "json", "-o", tmp_path / "out", "--word", "star", "--json", "--quiet")
    document = json.loads(done.stdout)
    assert document["files"] == {"json": [str(tmp_path / "out" / "tracks.json")]}
    assert document["out_dir"] == str(tmp_path / "out")
    assert len(document["warnings"]) == 1
    assert done.stderr == ""
    record = json.loads((tmp_path / "out" / "tracks.json").read_text())
    assert [row["word"] for row in record["words"]] == ["star"]


def test_the_list_needs_no_run():
    done = call("--list", "--json")
    rows = json.loads(done.stdout)["formats"]
    assert [row["name"] for row in rows] == EXPORTERS.names()
    assert {row["name"]: row["first_frame"] for row in rows}["mot"] == 1
    plain = call("--list").stdout.splitlines()
    assert len(plain) == len(rows)
    assert plain[1].startswith("coco ")
    assert plain[1].endswith("[needs tam-video[coco]]")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "no run folder"),
        (["RUN"], 2, "no format is given"),
        (["RUN", "-f", "cvta"], 2, "did you mean cvat"),
        (["RUN", "-f", "vtt", "--word", "a", "--all-words"], 2, "can't be combined"),
        (["RUN", "-f", "vtt", "--word", "horse"], 2, "0 'red', 1 'star'"),
        (["RUN", "-f", "vtt", "--frames", "some"], 2, "'all', 'seen'"),
        (["RUN/none", "-f", "vtt"], 1, "not a finished run"),
        (["RUN", "-f", "vtt", "--video", "gone.mp4"], 1, "gone.mp4"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(run, arguments, code, said):
    done = call(*(each.replace("RUN", str(run)) for each in arguments))
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (run / "export").exists()


def test_a_second_export_needs_force(run):
    assert call(run, "-f", "vtt").exit_code == 0
    again = call(run, "-f", "vtt")
    assert again.exit_code == 1
    assert "--force" in again.stderr
    assert call(run, "-f", "vtt", "--force").exit_code == 0


def test_no_model_package_is_loaded(run):
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom tam_video.cli import cli\n"
        f"names = {','.join(EXPORTERS.targets)!r}\n"
        f"done = CliRunner().invoke(cli, ['export', {str(run)!r}, '-f', names])\n"
        "assert done.exit_code == 0, done.output\n"
        "found = {'torch', 'transformers', 'cv2', 'moviepy'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
