"""Calibrations that are stopped and resumed, with the embedded model."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tam_video
from tam_video.calibration.calibrate import evidence_folder
from tam_video.calibration.gathering import CLIPS_FOLDER, LOG_FILE
from tam_video.calibration.run import calibrate_model
from tam_video.cli import cli
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.models import load_model
from tam_video.models.inference import TransformersModel
from tam_video.workspace.files import take_lock

OPTIONS = ["--world", "shapes", "--clips", "10"]


@pytest.fixture(scope="module")
def tiny() -> TransformersModel:
    return load_model("tiny")


@pytest.fixture(scope="module")
def calm(tiny: TransformersModel) -> bytes:
    """The profile of a calibration that was not stopped."""
    return calibrate_model(tiny, worlds=["shapes"], num_clips=10).profile.to_json()


class StoppedError(Exception):
    """Raised in the middle of a calibration."""


def stop_after(count: int) -> Callable[[str, int, int], None]:
    """Return a progress callback that fails after `count` clips."""
    done = 0

    def progress(_stage: str, _done: int, _total: int) -> None:
        nonlocal done
        done += 1
        if done == count:
            raise StoppedError

    return progress


def stop(model: TransformersModel, *, after: int, num_clips: int = 10, **options: Any) -> None:
    """Start a calibration, and stop it after some clips."""
    with pytest.raises(StoppedError):
        tam_video.calibrate(model, num_clips=num_clips, progress=stop_after(after), **options)


def test_a_stopped_calibration_resumes_and_gives_the_same_profile(
    tiny: TransformersModel, calm: bytes, data_folder: Path
) -> None:
    stop(tiny, after=4, worlds=["shapes"])
    folder = evidence_folder(tiny)
    assert folder.parent == data_folder / "calibrations"
    log, clips = folder / LOG_FILE, folder / CLIPS_FOLDER
    assert len(log.read_bytes().splitlines()) == len(list(clips.iterdir())) == 4

    # A torn line, a damaged file and a lost file: these clips are computed again.
    with log.open("ab") as file:
        file.write(b'{"world": "shapes", "numb')
    damaged = clips / "shapes-0001.npz"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (clips / "shapes-0002.npz").unlink()
    lines: list[str] = []
    done = tam_video.calibrate(tiny, worlds=["shapes"], num_clips=10, notice=lines.append)
    assert lines == ["resuming: 2 of 10 clips are done"]
    assert done.profile.to_json() == done.path.read_bytes() == calm
    assert not folder.exists()


def test_a_killed_command_resumes(calm: bytes, data_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tam_video", "calibrate", *OPTIONS]
    process = subprocess.Popen(
        command, env={**os.environ, "TAM_VIDEO_DATA": str(data_folder)}, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        logs = list(data_folder.glob(f"calibrations/*/{LOG_FILE}"))
        if logs and logs[0].read_bytes().count(b"\n") >= 2:
            break
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    result = CliRunner().invoke(cli, ["calibrate", *OPTIONS, "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "of 10 clips are done" in result.output
    assert (tmp_path / "out" / "profile.json").read_bytes() == calm
    assert list((data_folder / "calibrations").iterdir()) == []


def test_other_settings_start_over_in_the_data_folder_and_are_refused_in_a_named_folder(
    tiny: TransformersModel, tmp_path: Path
) -> None:
    named = tmp_path / "evidence"
    for folder in (None, named):
        stop(tiny, after=1, worlds=["shapes"], seed=1, evidence=folder)
    lines: list[str] = []
    stop(tiny, after=1, worlds=["shapes"], notice=lines.append)
    assert not lines
    assert json.loads((evidence_folder(tiny) / "settings.json").read_text())["seed"] == 0
    assert len((evidence_folder(tiny) / LOG_FILE).read_bytes().splitlines()) == 1
    with pytest.raises(OutputExistsError, match="other settings: seed") as refused:
        tam_video.calibrate(tiny, num_clips=10, evidence=named)
    assert refused.value.hint == "choose another folder with --evidence DIR"


@pytest.mark.usefixtures("three_worlds")
def test_a_named_folder_is_kept_and_used_by_calibrations_with_more_clips_and_worlds(
    tiny: TransformersModel, tmp_path: Path
) -> None:
    folder, lines = tmp_path / "evidence", list[str]()
    automatic = tam_video.calibrate(tiny, num_clips=10, evidence=folder).profile
    records = [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]
    asked = [each for each in records if each["world"] == "pictograms"]
    assert len(asked) < 10, "a world ends when it cannot reach the share that is needed"
    assert all((each["sha256"] is not None) == all(each["answers"]) for each in records)
    wrong = next(each["number"] for each in asked if not all(each["answers"]))

    # A world that is named is measured whether the clips are understood or not.
    stop(tiny, after=wrong + 1, worlds=["pictograms"], num_clips=12, evidence=folder)
    measured = {path.name for path in (folder / CLIPS_FOLDER).iterdir()}
    assert measured >= {f"pictograms-{number:04d}.npz" for number in range(wrong + 1)}
    again = tam_video.calibrate(tiny, num_clips=10, evidence=folder, notice=lines.append)
    assert again.profile.to_json() == automatic.to_json()
    assert [line.split(":")[0] for line in lines] == ["resuming"]


def test_a_second_calibration_of_the_checkpoint_is_refused(tiny: TransformersModel) -> None:
    folder = evidence_folder(tiny)
    held = take_lock(folder / ".lock", folder=folder)
    try:
        with pytest.raises(ConfigError, match="another process is using") as refused:
            tam_video.calibrate(tiny, num_clips=10)
    finally:
        os.close(held)
    assert "--evidence DIR" in str(refused.value.hint)


def test_a_folder_with_other_content_is_refused(tiny: TransformersModel, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="not empty"):
        tam_video.calibrate(tiny, num_clips=10, evidence=tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
