"""Estimate the time and disk space of a batch without loading a model, for `--dry-run`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from tam_video.batch.jobs import item_error
from tam_video.batch.ledger import LEDGER, ResultLog
from tam_video.batch.object_store import open_storage
from tam_video.batch.plan import KeyedItem, batch_identity, keyed_items
from tam_video.batch.runner import BatchOptions, Items, batch_config, resolve_items
from tam_video.batch.sources import is_remote
from tam_video.batch.storage import BATCH, RUNS, FolderStorage
from tam_video.config import RunConfig
from tam_video.errors import TamVideoError
from tam_video.profiles.resolve import planned_profile
from tam_video.video.reader import open_video

_SAMPLED_RUNS = 100


@dataclass(slots=True)
class Estimate:
    """The estimated time and disk space of a batch.

    Attributes:
        num_items: number of items.
        num_done: items that an earlier run finished.
        num_failed: items that failed in an earlier run and are not retried.
        num_to_run: items that would be run.
        num_clips: number of distinct clips of these.
        clip_seconds: total length of the clips that are local files, each counted once.
        problems: id -> reason why an item would fail, where this is known without a model.
        seconds: time of one worker for the items to run, from finished runs in the same output;
            None without any.
        bytes: size of the run folders, from finished runs; None without any.
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
    """Estimate the time and disk space of a batch. See `run` for the arguments.

    Every clip is opened; nothing is written.
    """
    options = options or BatchOptions()
    config = batch_config(config, options)
    storage = open_storage(out)
    try:
        content = storage.read_file(BATCH.settings_file)
        identity = batch_identity(planned_profile(config, content).config, options.keep)
        recorded = BATCH.match(content, identity, folder=storage.address)
        ledger = ResultLog(storage.other_logs(f"{LEDGER}.none"))
        ledger.load()
        total, clips = Estimate(), set[str]()
        resolved = resolve_items(items, question, options)
        for keyed in keyed_items(resolved, recorded or identity):
            if keyed is not None:
                _count(total, keyed, ledger, clips, options)
        total.num_clips = len(clips)
        if isinstance(storage, FolderStorage):
            _extrapolate(total, storage.folder / RUNS)
        return total
    finally:
        storage.release()


def _count(
    total: Estimate, keyed: KeyedItem, ledger: ResultLog, clips: set[str], options: BatchOptions
) -> None:
    total.num_items += 1
    status = ledger.status(keyed.key)
    if status == "done":
        total.num_done += 1
        return
    if status == "failed" and not options.retry_failed:
        total.num_failed += 1
        return
    total.num_to_run += 1
    error = keyed.error
    for video in keyed.item.videos:
        if error is None and video not in clips and not is_remote(video):
            try:
                with open_video(video, reader="pyav", limits=options.limits) as reader:
                    total.clip_seconds += reader.info.duration_seconds
            except TamVideoError as exc:
                error = item_error(exc)
        clips.add(video)
    if error is not None:
        total.problems[keyed.item.id] = error.message


def _extrapolate(total: Estimate, runs: Path) -> None:
    """Extrapolate the time and the size of a batch from its finished runs."""
    folders = sorted(runs.glob("*"))[:_SAMPLED_RUNS] if runs.is_dir() else []
    times, sizes = [], []
    for folder in folders:
        try:
            document = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
            times.append(sum(document["timings_seconds"].values()))
            sizes.append(sum(path.stat().st_size for path in folder.iterdir()))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if times:
        total.seconds = fmean(times) * total.num_to_run
        total.bytes = round(fmean(sizes) * total.num_to_run)
