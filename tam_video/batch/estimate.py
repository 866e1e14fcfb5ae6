"""What a batch would do and cost, without a model: `--dry-run`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from tam_video.batch.jobs import item_error
from tam_video.batch.keys import batch_identity
from tam_video.batch.ledger import LEDGER, ResultLog
from tam_video.batch.plan import KeyedItem, keyed_items
from tam_video.batch.runner import BatchOptions, Items, check_names, resolve_items
from tam_video.batch.sources import is_remote
from tam_video.batch.storage import BATCH, RUNS, FolderStorage, open_storage
from tam_video.config import RunConfig
from tam_video.errors import TamVideoError
from tam_video.video.reader import open_video

_SAMPLED_RUNS = 100


@dataclass(slots=True)
class Estimate:
    """What was found.

    Attributes:
        num_items: all items.
        num_done: those that an earlier run has done.
        num_failed: those that failed in an earlier run, and stay so without `retry_failed`.
        num_to_run: those that would be run.
        num_clips: different clips of these.
        clip_seconds: length of the clips that are files, each counted once.
        problems: id -> why an item would fail, as far as can be told without a model.
        seconds: one worker's time for what is to run, from finished runs in the same place; None
            where there are none.
        bytes: what the run folders will take, from finished runs; None where there are none.
    """

    num_items: int = 0
    num_done: int = 0
    num_failed: int = 0
    num_to_run: int = 0
    num_clips: int = 0
    clip_seconds: float = 0.0
    problems: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    bytes: int | None = None


def estimate(
    items: Items,
    out: str | Path,
    *,
    question: str | None = None,
    config: RunConfig | None = None,
    options: BatchOptions | None = None,
) -> Estimate:
    """Open every clip that would be run, and tell what the batch would cost. Writes nothing.

    Args:
        items: as `run` takes them; so with the others.
        out: where the batch would write.
        question: what is asked where an item asks nothing.
        config: settings of all items.
        options: how the batch would be run.

    Raises:
        TamVideoError: as `run`, before the first item.
    """
    options, config = options or BatchOptions(), config or RunConfig()
    check_names(config, options)
    if "mp4" not in options.keep:
        config = config.model_copy(update={"render": False})
    storage = open_storage(out)
    try:
        identity = batch_identity(config, options.keep)
        recorded = BATCH.match(
            storage.read_file(BATCH.settings_file), identity, folder=storage.address
        )
        ledger = ResultLog(storage.other_logs(f"{LEDGER}.none"))
        ledger.load()
        found, clips = Estimate(), set[str]()
        asked = resolve_items(items, question, options)
        for keyed in keyed_items(asked, recorded or identity):
            if keyed is not None:
                _count(found, keyed, ledger, clips, options)
        found.num_clips = len(clips)
        if isinstance(storage, FolderStorage):
            _from_finished(found, storage.folder / RUNS)
        return found
    finally:
        storage.release()


def _count(
    found: Estimate, keyed: KeyedItem, ledger: ResultLog, clips: set[str], options: BatchOptions
) -> None:
    found.num_items += 1
    status = ledger.status(keyed.key)
    if status == "done":
        found.num_done += 1
        return
    if status == "failed" and not options.retry_failed:
        found.num_failed += 1
        return
    found.num_to_run += 1
    error = keyed.error
    for video in keyed.item.videos:
        if error is None and video not in clips and not is_remote(video):
            try:
                with open_video(video, reader="pyav", limits=options.limits) as reader:
                    found.clip_seconds += reader.info.duration_seconds
            except TamVideoError as exc:
                error = item_error(exc)
        clips.add(video)
    if error is not None:
        found.problems[keyed.item.id] = error.message


def _from_finished(found: Estimate, runs: Path) -> None:
    """Time and space of the runs that are there, for those that are not."""
    folders = sorted(runs.glob("*"))[:_SAMPLED_RUNS] if runs.is_dir() else []
    times, sizes = [], []
    for folder in folders:
        try:
            told = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
            times.append(sum(told["timings_seconds"].values()))
            sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if times:
        found.seconds = fmean(times) * found.num_to_run
        found.bytes = round(fmean(sizes) * found.num_to_run)
