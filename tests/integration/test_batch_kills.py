"""Many kills in little time: workers without a model, the real ledger, folders and processes."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.reliability.kill import disturbed_run
from benchmarks.reliability.verify import check_batch, ledger_lines

TESTS = str(Path(__file__).parents[1])
SCRIPT = f"""
import sys
sys.path.insert(0, {TESTS!r})
from batch_workers import ScriptedWork
from tam_video import batch
if __name__ == "__main__":
    items, out, traces = sys.argv[1:]
    work = ScriptedWork(out, traces, seconds=0.03)
    how, task = batch.BatchOptions(workers=2), batch.BatchTask(work)
    list(batch.run(items, out, question="ok", options=how, task=task))
"""


@pytest.fixture
def started(tmp_path):
    """The command of a batch of 24 items, as a script with spawned workers."""
    (tmp_path / "items").mkdir()
    for number in range(24):
        (tmp_path / "items" / f"clip{number}.mp4").write_bytes(bytes([number]) * 99)
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    run, traces = [sys.executable, str(script), str(tmp_path / "items")], str(tmp_path / "traces")
    return lambda out: [*run, str(tmp_path / out), traces]


def test_kills_at_random_moments_lose_and_repeat_nothing(started, tmp_path):
    subprocess.run(started("calm"), check=True)
    rng = random.Random(11)
    counts = disturbed_run(started("out"), rng=rng, kills=8, longest_wait=2.5)
    result = check_batch(tmp_path / "out", count=24, calm=tmp_path / "calm")
    assert not result["problems"], (counts, result)
    assert counts["worker"] + counts["tree"] >= 1


def test_the_last_line_may_be_torn_and_a_folder_may_miss_its_line(started, tmp_path):
    subprocess.run(started("out"), check=True)
    ledger = tmp_path / "out" / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-40])
    before = (tmp_path / "traces").read_text()
    subprocess.run(started("out"), check=True)
    assert ledger.read_bytes() == whole
    again = (tmp_path / "traces").read_text()[len(before) :]
    assert "write" not in again  # the run folder was found whole
    assert len(ledger_lines(tmp_path / "out")) == 24


def test_full_or_read_only_disk_stops_a_batch_which_is_resumed_later(started, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(mount)], capture_output=True
    )
    if made.returncode:
        pytest.fail(f"a small tmpfs is needed: {made.stderr!r}")
    try:
        run = started("small/out")
        done = subprocess.run(run, capture_output=True, text=True)
        assert done.returncode == 1
        assert "No space left" in done.stderr
        lines = ledger_lines(mount / "out")
        assert all(line["status"] == "done" for line in lines)
        subprocess.run(["mount", "-o", "remount,size=8m", str(mount)], check=True)
        subprocess.run(run, check=True)
        assert not check_batch(mount / "out", count=24)["problems"]
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        done = subprocess.run(run, capture_output=True, text=True)
        assert done.returncode == 1
        assert "ExportError" in done.stderr
        assert "Read-only file system" in done.stderr
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
