import json

import pytest

from tam_video.errors import ExportError, OutputExistsError, RunFolderError
from tam_video.export.manifest import (
    new_run_folder,
    read_manifest,
    replace_files,
    sha256,
)


def write_run(target, text="one", **options):
    with new_run_folder(target, **options) as folder:
        (folder / "a.txt").write_text(text)


def fail_within(folder_context):
    with folder_context as folder:
        (folder / "a.txt").write_text("half")
        raise RuntimeError


def test_folder_appears_complete_with_hashes(tmp_path):
    write_run(tmp_path / "out")
    files = read_manifest(tmp_path / "out")
    assert files == {"a.txt": {"bytes": 3, "sha256": sha256(tmp_path / "out/a.txt")}}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        fail_within(new_run_folder(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_existing_run_is_refused_and_replaced_by_force(tmp_path):
    write_run(tmp_path / "out")
    with pytest.raises(OutputExistsError, match="finished run"):
        write_run(tmp_path / "out", "two")
    assert (tmp_path / "out/a.txt").read_text() == "one"
    write_run(tmp_path / "out", "two", force=True)
    assert (tmp_path / "out/a.txt").read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_failed_replacement_keeps_the_old_run(tmp_path):
    write_run(tmp_path / "out")
    with pytest.raises(RuntimeError):
        fail_within(new_run_folder(tmp_path / "out", force=True))
    assert (tmp_path / "out/a.txt").read_text() == "one"


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_not_a_run_is_never_replaced(tmp_path, force):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("precious")
    with pytest.raises(OutputExistsError, match="not a run folder"):
        write_run(tmp_path / "out", force=force)
    assert (tmp_path / "out/thesis.txt").read_text() == "precious"


def test_empty_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    write_run(tmp_path / "out")
    assert (tmp_path / "out/manifest.json").exists()


def test_parent_that_is_a_file_is_an_export_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((ExportError, OutputExistsError)):
        write_run(tmp_path / "file" / "out")


def test_replaced_files_are_sealed_again(tmp_path):
    write_run(tmp_path / "out")
    with replace_files(tmp_path / "out") as folder:
        (folder / "b.txt").write_text("new")
    assert set(read_manifest(tmp_path / "out")) == {"a.txt", "b.txt"}


def test_failed_change_keeps_the_run(tmp_path):
    write_run(tmp_path / "out")
    before = (tmp_path / "out/manifest.json").read_text()
    with pytest.raises(RuntimeError):
        fail_within(replace_files(tmp_path / "out"))
    assert (tmp_path / "out/manifest.json").read_text() == before
    assert (tmp_path / "out/a.txt").read_text() == "one"


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"files": None})])
def test_a_damaged_manifest_is_an_error(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RunFolderError):
        read_manifest(tmp_path)


def test_the_manifest_has_a_version_and_the_warnings_of_each_command(tmp_path):
    write_run(tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    file = {"bytes": 3, "sha256": sha256(tmp_path / "out/a.txt")}
    assert json.loads(path.read_text()) == {"manifest_version": 1, "files": {"a.txt": file}}
    for warnings in ({"render": ["slow"], "report": []}, {"report": ["old"]}, {"render": []}):
        with replace_files(tmp_path / "out", warnings=warnings):
            pass
    assert json.loads(path.read_text())["warnings"] == {"report": ["old"]}
    with replace_files(tmp_path / "out"):
        pass
    assert json.loads(path.read_text())["warnings"] == {"report": ["old"]}
