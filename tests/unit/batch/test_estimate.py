"""The cost of a batch, from its clips and from finished runs."""

from __future__ import annotations

import json

import pytest

from tam_video.batch import estimate as module
from tam_video.batch.estimate import estimate
from tam_video.batch.jobs import ItemError, Outcome
from tam_video.batch.ledger import open_ledger
from tam_video.batch.plan import batch_identity, keyed_items
from tam_video.batch.runner import BatchOptions, batch_config, resolve_items
from tam_video.batch.storage import FolderStorage
from tam_video.config import RunConfig
from tam_video.errors import OutputExistsError
from tam_video.video.reader import open_video


@pytest.fixture
def rows(clips, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 99)
    return [
        {"id": "a", "video": str(clips.path("h264_b")), "question": "What?"},
        {"id": "b", "video": str(clips.path("h264_b")), "question": "Where?"},
        {"id": "c", "video": str(clips.path("hevc")), "question": "What?"},
        {"id": "d", "video": str(tmp_path / "broken.mp4"), "question": "What?"},
    ]


def seconds_of(clips, *names):
    total = 0.0
    for name in names:
        with open_video(clips.path(name)) as reader:
            total += reader.info.duration_seconds
    return total


def test_a_new_batch_has_its_clips_and_no_cost(rows, clips, tmp_path):
    result = estimate(rows, tmp_path / "out")
    assert (result.num_items, result.num_to_run, result.num_clips) == (4, 4, 3)
    assert (result.num_done, result.num_failed) == (0, 0)
    assert result.clip_seconds == pytest.approx(seconds_of(clips, "h264_b", "hevc"))
    assert result.problems.keys() == {"d"}
    assert "can't be opened" in result.problems["d"]
    assert (result.seconds, result.bytes) == (None, None)
    assert not (tmp_path / "out").exists()


def finished(rows, out, *, num_done, num_failed):
    """Begin a batch whose first items are done and whose next ones failed."""
    options = BatchOptions()
    identity = batch_identity(batch_config(RunConfig(), options), options.keep)
    storage = FolderStorage(out)
    storage.acquire("ledger")
    storage.begin(identity)
    keyed = list(keyed_items(resolve_items(rows, None, options), identity))
    outcomes = [Outcome(each.key, run=f"run-{k}") for k, each in enumerate(keyed[:num_done])]
    error = ItemError("VideoOpenError", "no", "look")
    failed = keyed[num_done : num_done + num_failed]
    outcomes += [Outcome(each.key, error=error) for each in failed]
    open_ledger(storage, "ledger").append(outcomes, ids=["x"] * len(outcomes))
    storage.release()


def write_run(out, name, timings, size):
    folder = out / "runs" / name
    folder.mkdir(parents=True)
    document = json.dumps({"timings_seconds": timings})
    (folder / "explanation.json").write_text(document)
    (folder / "maps.npz").write_bytes(bytes(size - len(document)))


def test_items_that_ended_are_not_counted_again_and_their_runs_give_the_cost(rows, clips, tmp_path):
    out = tmp_path / "out"
    finished(rows, out, num_done=1, num_failed=1)
    write_run(out, "one", {"decode": 1.0, "generate": 3.0}, 1000)
    write_run(out, "two", {"decode": 8.0}, 4001)
    (out / "runs" / "half").mkdir()
    result = estimate(rows, out)
    assert (result.num_items, result.num_done, result.num_failed, result.num_to_run) == (4, 1, 1, 2)
    assert result.num_clips == 2
    assert result.clip_seconds == pytest.approx(seconds_of(clips, "hevc"))
    # Means of 4 and 8 s, and of 1000 and 4001 bytes, for two items.
    assert result.seconds == pytest.approx(12.0)
    assert result.bytes == 5001
    again = estimate(rows, out, options=BatchOptions(retry_failed=True))
    assert (again.num_failed, again.num_to_run, again.bytes) == (0, 3, 7502)
    assert again.clip_seconds == pytest.approx(seconds_of(clips, "h264_b", "hevc"))


def test_other_settings_are_refused(rows, tmp_path):
    finished(rows, tmp_path / "out", num_done=1, num_failed=0)
    with pytest.raises(OutputExistsError):
        estimate(rows, tmp_path / "out", config=RunConfig(num_frames=5))


def test_clips_of_a_store_are_not_opened(rows, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "is_remote", lambda video: video.endswith("broken.mp4"))
    result = estimate(rows, tmp_path / "out")
    assert (result.problems, result.num_clips) == ({}, 3)
