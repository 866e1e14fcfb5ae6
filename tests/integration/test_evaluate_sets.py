"""`tam-video evaluate NAME` on look-alike folders of every public set, with the embedded model."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from lookalikes import BUILDERS, nltk_words

from tam_video.cli import cli
from tam_video.evaluation import run
from tam_video.methods import METHODS
from tam_video.models import load_model

REFERRING = ("ref-davis", "ref-youtube-vos", "mevis", "revos", "reason-vos", "refcoco")
PLACES = ("viou", "pointing", "energy", "auc")
RIGHT = {
    **dict.fromkeys(REFERRING, PLACES),
    "davis": (*PLACES, "obj_iou", "func_iou", "f1_iou"),
    "nextgqa": ("temporal_energy",),
}
"""What a method that knows the truth has 1 of."""
EXTRA = {
    "nextgqa": ["--num-frames=8"],
    "repope": ["--steps=1", "--methods=tam"],
    "coco-captions": ["--steps=1", "--question=Describe the video.", "--methods=tam"],
    "tam-coco14": ["--question=Describe the video."],
    "tam-grandf": ["--question=Describe the video."],
}


@pytest.fixture(scope="module")
def tiny():
    return load_model("tiny")


@pytest.fixture
def in_process(tiny, monkeypatch):
    """Clips are measured here, with two more methods, and counted."""
    record = []

    def measured(experiment, jobs, settings, *, workers):
        for job in jobs:
            record.append(job)
            yield experiment.measure(tiny, settings, job)

    monkeypatch.setattr(run, "measured", measured)
    monkeypatch.setitem(METHODS.targets, "oracle", "handmade:Oracle")
    monkeypatch.setitem(METHODS.targets, "opposite", "handmade:Opposite")
    return record


@pytest.fixture(scope="module", autouse=True)
def words(tmp_path_factory):
    """NLTK with data that know the world's words."""
    with nltk_words(tmp_path_factory.mktemp("nltk")):
        yield


def invoke(name, data, output, *arguments):
    asked = ["evaluate", name, f"--data={data}", f"--output={output}", "--quiet"]
    return CliRunner().invoke(cli, [*asked, "--methods=oracle,tam,opposite", *arguments])


@pytest.mark.parametrize("name", BUILDERS)
def test_set_is_measured_item_by_item(name, lookalikes, tmp_path, in_process):
    data, output, extra = lookalikes.folder(name), tmp_path / "out", EXTRA.get(name, [])
    first = invoke(name, data, output, *extra, "--clips=1")
    assert first.exit_code == 0, first.output
    line = (output / "clips.jsonl").read_bytes()
    done = invoke(name, data, output, *extra, "--clips=2", "--json")
    assert done.exit_code == 0, done.output
    assert (output / "clips.jsonl").read_bytes().startswith(line)
    assert len(in_process) == 2
    document = json.loads(done.stdout)
    assert document["methods"] == json.loads((output / "results.json").read_text())["methods"]
    figures = document["methods"]
    for metric in figures["tam"]:
        assert set(figures["tam"][metric]) == {"mean", "low", "high", "n", "sources"}
    for metric in RIGHT.get(name, ()):
        assert figures["oracle"][metric]["mean"] == pytest.approx(1.0, abs=1e-4), metric
        if metric in PLACES:
            assert figures["opposite"][metric]["mean"] == pytest.approx(0.0, abs=1e-4), metric
        assert figures["tam"][metric]["n"] == 2
    if "tiou" in figures["tam"] and figures["oracle"]["tiou"]["n"]:
        assert figures["oracle"]["tiou"]["mean"] > 0.8
        assert figures["oracle"]["iop"]["mean"] > 0.8
        assert figures["opposite"]["tiou"]["mean"] < 0.3


def test_only_wrong_answers_are_progressively_deleted(lookalikes, tmp_path, in_process):
    output = tmp_path / "out"
    data = lookalikes.folder("repope")
    done = invoke("repope", data, output, *EXTRA["repope"], "--metrics=amcr,csr")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (output / "clips.jsonl").read_text().splitlines()]
    assert len(rows) == 4
    for row in rows:
        # The pairs ask the same of the same picture: one of the two labels is wrong.
        says_yes = row["answer"].startswith("Yes")
        is_wrong = says_yes == (int(row["item"]) % 2 == 0)
        area, within = row["values"]["tam"]["amcr"], row["values"]["tam"]["csr"]
        assert (area is not None) == is_wrong
        assert within == (None if area is None else float(area <= 0.1))


def test_means_of_the_tam_sets_are_over_words(lookalikes, tmp_path, in_process):
    output = tmp_path / "out"
    done = invoke(
        "tam-grandf", lookalikes.folder("tam-grandf"), output, *EXTRA["tam-grandf"], "--json"
    )
    figures = json.loads(done.stdout)["methods"]["tam"]
    rows = [json.loads(line) for line in (output / "clips.jsonl").read_text().splitlines()]
    for metric in ("obj_iou", "func_iou"):
        record = [(row["values"]["tam"][metric] or 0, row["counts"]["tam"][metric]) for row in rows]
        words = sum(count for _, count in record)
        assert words
        mean = sum(value * count for value, count in record) / words
        assert figures[metric]["mean"] == pytest.approx(mean, abs=1e-4)


def test_curves_by_place_and_by_slot_are_measured(lookalikes, tmp_path, in_process):
    output = tmp_path / "out"
    names = "insertion_space,insertion_time,deletion_space,deletion_time"
    done = invoke(
        "mevis",
        lookalikes.folder("mevis"),
        output,
        f"--metrics={names}",
        "--clips=1",
        "--steps=1",
        "--num-frames=4",
        "--methods=tam",
    )
    assert done.exit_code == 0, done.output
    (row,) = [json.loads(line) for line in (output / "clips.jsonl").read_text().splitlines()]
    assert set(row["curves"]["tam"]) == set(names.split(","))
    assert all(len(curve) == 2 for curve in row["curves"]["tam"].values())
    assert {path.name for path in (output / "plots").iterdir()} >= {"deletion_time_curve.svg"}


def test_another_set_in_a_folder_is_refused(lookalikes, tmp_path, in_process):
    output = tmp_path / "out"
    assert invoke("mevis", lookalikes.folder("mevis"), output, "--clips=1").exit_code == 0
    refused = invoke("revos", lookalikes.folder("revos"), output, "--clips=1")
    assert refused.exit_code == 1
    assert "other settings" in refused.stderr


def test_moved_data_are_resumed(lookalikes, tmp_path, in_process):
    moved, output = tmp_path / "moved", tmp_path / "out"
    moved.symlink_to(lookalikes.folder("refcoco"))
    for data in (lookalikes.folder("refcoco"), moved):
        done = invoke("refcoco", data, output, "--clips=1")
        assert done.exit_code == 0, done.output
    assert len(in_process) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metrics=tiuo"], "tiou"),
        (["--metrics=viou"], "the supported metrics are tiou"),
        (["--subsets=vall"], "val"),
        (["--question=What?"], "the data set contains this value"),
        (["--fps=3"], "the data set contains this value"),
        (["--clips=0"], "clips"),
    ],
)
def test_invalid_options_are_reported_before_anything_is_written(
    arguments, said, lookalikes, tmp_path
):
    done = invoke("nextgqa", lookalikes.folder("nextgqa"), tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_missing_data_name_the_site_and_leave_nothing(tmp_path):
    done = CliRunner().invoke(
        cli, ["evaluate", "davis", f"--data={tmp_path}", f"--output={tmp_path / 'out'}", "--json"]
    )
    assert done.exit_code == 1
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "DatasetError"
    assert "davischallenge.org" in error["hint"]
    assert "JPEGImages/480p" in error["hint"]
    assert not (tmp_path / "out").exists()


def test_items_are_measured_in_other_processes(lookalikes, tmp_path):
    done = CliRunner().invoke(
        cli,
        [
            "evaluate",
            "davis",
            f"--data={lookalikes.folder('davis')}",
            f"--output={tmp_path / 'out'}",
            "--methods=tam",
            "--metrics=viou,jf",
            "--num-frames=2",
            "--clips=1",
            "--json",
        ],
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["methods"]["tam"]["jf"]["n"] == 1
    assert document["settings"]["dataset"] == "davis"
    assert document["settings"]["items"]["val"]["count"] == 2
    assert set(document["worlds"]) == {"val"}
