"""Resumable folders: the lock, the identity of the settings, and what force removes."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tam_video.errors import ConfigError, OutputExistsError, RunFolderError
from tam_video.workspace.workspace import Workspace, WorkspaceKind

KIND = WorkspaceKind("a job", "job.json", own=("log.jsonl", "runs", "plots/*.svg"))
IDENTITY = {"settings": {"seed": 0, "fps": 2.5}, "turns": [["user", "?"]]}

HOLDER = """
import sys
from pathlib import Path
from tam_video.workspace.workspace import Workspace, WorkspaceKind
kind = WorkspaceKind("a job", "job.json", own=("log.jsonl", "runs", "plots/*.svg"))
with Workspace.opened(Path(sys.argv[1]), kind, {"settings": {"seed": 0}}) as workspace:
    workspace.log("log.jsonl").append([b"{}"])
    print("locked", flush=True)
    sys.stdin.read()
"""


def open_once(folder, identity=IDENTITY, kind=KIND, **options):
    with Workspace.opened(folder, kind, identity, **options) as workspace:
        return workspace.identity


@contextmanager
def other_process(folder):
    """Another process that holds the folder until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"locked\n"
        yield
    finally:
        process.kill()
        process.communicate()


def test_a_second_process_is_refused_with_and_without_force_until_the_first_is_gone(tmp_path):
    folder, identity = tmp_path / "out", {"settings": {"seed": 0}}
    with other_process(folder):
        for force in (False, True):
            with pytest.raises(ConfigError, match="another process is using"):
                open_once(folder, identity, force=force)
        assert (folder / "log.jsonl").read_bytes() == b"{}\n"
    assert open_once(folder, identity) == identity
    open_once(folder, identity, force=True)
    assert not (folder / "log.jsonl").exists()


def test_force_is_refused_while_a_process_of_another_label_works(tmp_path):
    open_once(tmp_path)
    shard = Workspace(tmp_path, KIND, lock=".work/one.lock")
    shard.acquire()
    other = Workspace(tmp_path, KIND, lock=".work/two.lock")
    other.acquire()
    with pytest.raises(ConfigError, match="another process"):
        other.begin(IDENTITY, force=True)
    assert other.begin(IDENTITY) == IDENTITY
    shard.release()
    other.begin(IDENTITY, force=True)
    other.release()


def test_settings_that_differ_are_named(tmp_path):
    open_once(tmp_path)
    now = {"settings": {"seed": 1, "fps": 2.5, "depth": 3}, "turns": []}
    with pytest.raises(OutputExistsError, match="a job with other settings: depth, seed, turns"):
        open_once(tmp_path, now)


def test_recorded_names_are_upgraded_for_the_comparison_and_kept_for_keys(tmp_path):
    recorded = open_once(tmp_path, {"settings": {"preset": "slow", "seed": 0}})
    content = (tmp_path / "job.json").read_bytes()
    now = {"settings": {"speed_preset": "slow", "seed": 0, "depth": 3, "tags": ["a"]}}
    kind = replace(
        KIND,
        renames={"settings.preset": "settings.speed_preset"},
        defaults=lambda: {"settings": {"depth": 3, "tags": ("a",), "unused": object()}},
    )
    assert open_once(tmp_path, now, kind) == recorded
    assert (tmp_path / "job.json").read_bytes() == content
    for name, value in (("speed_preset", "fast"), ("depth", 4)):
        with pytest.raises(OutputExistsError, match=f": {name}$"):
            open_once(tmp_path, {"settings": {**now["settings"], name: value}}, kind)


def test_a_rename_does_not_touch_a_setting_that_still_has_the_old_name(tmp_path):
    identity = {"settings": {"preset": "slow"}}
    open_once(tmp_path, identity)
    kind = replace(KIND, renames={"settings.preset": "settings.speed_preset"})
    assert open_once(tmp_path, identity, kind) == identity


def test_another_version_is_refused_by_number(tmp_path):
    kind = replace(KIND, version=("job_version", 1))
    open_once(tmp_path, IDENTITY, kind)
    assert json.loads((tmp_path / "job.json").read_text())["job_version"] == 1
    with pytest.raises(RunFolderError, match="version 1; this release can only resume version 2"):
        open_once(tmp_path, IDENTITY, replace(kind, version=("job_version", 2)))


@pytest.mark.parametrize("content", ["[", "[]", "7", '"text"', "{}"])
def test_a_damaged_settings_file_is_an_error_that_force_repairs(tmp_path, content):
    kind = replace(KIND, version=("job_version", 1))
    open_once(tmp_path, IDENTITY, kind)
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(RunFolderError):
        open_once(tmp_path, IDENTITY, kind)
    assert open_once(tmp_path, IDENTITY, kind, force=True) == IDENTITY


def test_force_removes_own_files_and_nothing_else(tmp_path):
    open_once(tmp_path)
    (tmp_path / "precious").mkdir()
    for name in ("log.jsonl", "notes.txt", "precious/a", "plots/x.svg", "plots/mine.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "runs").symlink_to(tmp_path / "precious")
    exclusive = replace(KIND, is_exclusive=True, keeps=("plots",))
    with pytest.raises(OutputExistsError, match=r"besides a job, the folder contains notes\.txt"):
        open_once(tmp_path, IDENTITY, exclusive, force=True)
    assert (tmp_path / "log.jsonl").exists()
    open_once(tmp_path, IDENTITY, force=True)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {
        *("job.json", ".lock", "notes.txt", "precious", "precious/a"),
        *("plots", "plots/mine.png"),
    }


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_with_something_else_is_not_changed(tmp_path, force):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="not empty and holds no job"):
        open_once(tmp_path, force=force)
    with pytest.raises(OutputExistsError, match="not a folder"):
        open_once(tmp_path / "notes.txt", force=force)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_files_of_a_process_killed_before_it_wrote_the_settings_are_accepted(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".job.json.abc").write_text("{")
    (tmp_path / "runs").mkdir()
    assert open_once(tmp_path) == IDENTITY
