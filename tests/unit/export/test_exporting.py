import json
import re
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import report_runs
from constructed import make_explanation, moving_maps
from export_readers import READERS

from tam_video.errors import (
    ConfigError,
    ExportError,
    OutputExistsError,
    RunFolderError,
    UnknownNameError,
)
from tam_video.export import EXPORTERS
from tam_video.export.exporter import Exporter
from tam_video.export.exporting import export_explanation, export_run, list_exporters
from tam_video.types import Explanation


def build_explanation(words=("the", "red", "star", "red")) -> Explanation:
    explanation = make_explanation(moving_maps(len(words)), words=words)
    marked = [replace(word, is_content=word.text != "the") for word in explanation.words]
    return replace(explanation, words=tuple(marked))


def words_of(folder):
    document = json.loads((folder / "tracks.json").read_text())
    return [row["word_index"] for row in document["words"]]


@pytest.mark.parametrize(
    ("words", "indices"),
    [
        ("content", [1, 2, 3]),
        ("all", [0, 1, 2, 3]),
        (["star", "Red"], [1, 2]),
        ([3, "0"], [0, 3]),
        (["red", "red"], [1]),
    ],
)
def test_words_are_chosen(words, indices, tmp_path):
    export_explanation(build_explanation(), ["json"], tmp_path, words=words)
    assert words_of(tmp_path) == indices


def test_an_answer_of_function_words_is_exported_whole(tmp_path):
    export_explanation(build_explanation(["the"]), ["json"], tmp_path)
    assert words_of(tmp_path) == [0]


def test_frames_may_be_those_that_the_model_saw(tmp_path):
    explanation = build_explanation()
    export_explanation(explanation, ["coco", "mot", "davis", "ytvis"], tmp_path, frames="seen")
    for name in ("coco", "mot", "davis", "ytvis"):
        for track in READERS[name](tmp_path, explanation.info):
            frames = set(track.boxes if track.boxes is not None else track.masks)
            assert frames <= set(explanation.indices.tolist())
    pictures = (tmp_path / "davis" / "Annotations" / "the_clip").iterdir()
    assert sorted(int(path.stem) for path in pictures) == explanation.indices.tolist()


@pytest.mark.parametrize(
    ("formats", "options", "message"),
    [
        ([], {}, "no format"),
        (["cocoa"], {}, "unknown export format 'cocoa'"),
        (["vtt"], {"words": ["horse"]}, "no word 'horse'"),
        (["vtt"], {"words": "some"}, "must be 'content' or 'all'"),
        (["vtt"], {"frames": "some"}, "must be 'all' or 'seen'"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_written(
    formats, options, message, tmp_path
):
    with pytest.raises(ConfigError, match=message) as caught:
        export_explanation(build_explanation(), formats, tmp_path / "out", **options)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_later_export_is_added_to_the_folder(tmp_path):
    export_explanation(build_explanation(), ["vtt"], tmp_path / "out")
    export_explanation(build_explanation(), ["coco", "srt"], tmp_path / "out")
    index = json.loads((tmp_path / "out" / "exports.json").read_text())
    assert index == {
        "index_version": 1,
        "formats": {"coco": ["coco.json"], "srt": ["words.srt"], "vtt": ["words.vtt"]},
    }


def test_a_run_is_exported_into_its_own_folder(tmp_path):
    explanation = build_explanation()
    run = explanation.save(tmp_path / "run")
    done = export_run(run, ["spans", "spans"])
    assert done.out_dir == run / "export"
    assert done.files == {"spans": (run / "export" / "spans.json",)}
    assert done.warnings == (
        "/nowhere/the clip.mp4 can't be read: times of frames that were not sampled are estimated",
    )
    assert np.array_equal(Explanation.load(run).indices, explanation.indices)


def test_the_number_of_videos_must_be_that_of_the_inputs(tmp_path):
    run = build_explanation().save(tmp_path / "run")
    with pytest.raises(ConfigError, match="2 videos are given, but there are 1 inputs"):
        export_run(run, ["vtt"], video=["a.mp4", "b.mp4"])


def test_a_target_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("dear")
    with pytest.raises(OutputExistsError, match="not a folder"):
        export_explanation(build_explanation(), ["vtt"], tmp_path / "out", force=True)
    assert (tmp_path / "out").read_text() == "dear"


def test_maps_that_are_not_finite_are_refused(tmp_path):
    explanation = build_explanation()
    explanation.word_maps[0, 0, 0, 0] = np.nan
    with pytest.raises(RunFolderError, match="not finite"):
        export_explanation(explanation, ["vtt"], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_failed_move_is_rolled_back(tmp_path, monkeypatch):
    out = tmp_path / "out"
    export_explanation(build_explanation(), ["vtt", "srt"], out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    rename = Path.rename

    def fail_at_the_last(path, target):
        if (path.parent.name, path.name) == ("new", "words.srt"):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_last)
    with pytest.raises(ExportError, match="No space left"):
        export_explanation(build_explanation(["star"]), ["json", "vtt", "srt"], out, force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_an_exporter_that_fails_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    export_explanation(build_explanation(), ["vtt"], tmp_path / "out")
    before = sorted(path.name for path in (tmp_path / "out").iterdir())

    def broken(tracked, folder):
        (folder / "half").write_text("half")
        raise RuntimeError("boom")

    offer(monkeypatch, replace(PLUGIN, write=broken))
    with pytest.raises(RuntimeError, match="boom"):
        export_explanation(build_explanation(), ["srt", "mine"], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def write_mine(tracked, folder):
    (folder / "mine.txt").write_text(" ".join(tracked.labels))


PLUGIN = Exporter("mine", ("mine.txt",), "words", None, write_mine)


def offer(monkeypatch, exporter) -> None:
    """Install an exporter as a third party does."""
    module = type(sys)("their_exporter")
    module.MINE = exporter
    monkeypatch.setitem(sys.modules, "their_exporter", module)
    point = EntryPoint("mine", "their_exporter:MINE", "tam_video.exporters")

    def entry_points(*, group, name=None):
        return [point] if group == point.group and name in (None, point.name) else []

    monkeypatch.setattr("tam_video.registry.entry_points", entry_points)


def test_a_plugin_is_listed_and_used(tmp_path, monkeypatch):
    offer(monkeypatch, PLUGIN)
    assert PLUGIN in list_exporters()
    done = export_explanation(build_explanation(), ["mine"], tmp_path)
    assert done.files["mine"][0].read_text() == "red star red"


def test_a_plugin_that_cannot_be_loaded_is_an_error(tmp_path, monkeypatch):
    offer(monkeypatch, PLUGIN)
    monkeypatch.setitem(sys.modules, "their_exporter", None)
    for ask in (
        list_exporters,
        lambda: export_explanation(build_explanation(), ["mine"], tmp_path),
    ):
        with pytest.raises(ConfigError, match="'mine' can't be loaded") as caught:
            ask()
        assert "uninstall" in caught.value.hint


def test_a_plugin_that_writes_other_files_is_an_error(tmp_path, monkeypatch):
    offer(monkeypatch, replace(PLUGIN, files=("other.txt",)))
    with pytest.raises(
        ExportError, match=r"wrote the files \['mine.txt'\] instead of \['other.txt'\]"
    ):
        export_explanation(build_explanation(), ["mine"], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_two_formats_that_write_the_same_file_are_refused(tmp_path, monkeypatch):
    offer(monkeypatch, replace(PLUGIN, files=("words.vtt",)))
    with pytest.raises(ConfigError, match=r"two formats write words\.vtt"):
        export_explanation(build_explanation(), ["mine", "vtt"], tmp_path / "out")


def test_the_docs_list_every_format():
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| `")]
    by_name = {name: row for row in rows for name in re.findall("`([a-z-]+)`", row[1])}
    assert set(by_name) == set(EXPORTERS.targets)
    for exporter in list_exporters():
        _, _, files, first_frame, _, _, needs, _ = by_name[exporter.name]
        assert f"`{exporter.files[0].removesuffix('.zarr')}" in files
        base = "-" if exporter.index_base is None else str(exporter.index_base)
        assert first_frame.split()[0] == base
        assert exporter.extra in needs


def test_every_format_is_listed_under_its_own_name():
    assert [each.name for each in list_exporters()] == EXPORTERS.names()
    with pytest.raises(UnknownNameError) as caught:
        EXPORTERS.load("cvt")
    assert "cvat" in caught.value.hint


def test_earlier_exports_are_replaced_only_on_request(tmp_path):
    run = build_explanation().save(tmp_path / "run")
    export_run(run, ["vtt"])
    with pytest.raises(OutputExistsError):
        export_run(run, ["vtt"])
    assert export_run(run, ["vtt"], force=True).files.keys() == {"vtt"}
    with pytest.raises(OutputExistsError):
        build_explanation().save(run)


def test_another_video_is_accepted_only_on_request(tmp_path):
    seen = report_runs.make_explanation()
    first = replace(seen.inputs[0], fingerprint="0" * 64)
    run = replace(seen, inputs=(first,)).save(tmp_path / "run")
    with pytest.raises(RunFolderError, match="its content differs"):
        export_run(run, ["vtt"], video=report_runs.SAMPLE)
    done = export_run(run, ["vtt"], video=report_runs.SAMPLE, allow_other_video=True)
    assert done.warnings == ("shapes.mp4 is not the file that was explained",)
