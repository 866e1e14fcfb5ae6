"""Evaluate the clips of an experiment in several processes, and write the report.

Processes are spawned, load the model once and use one thread each, so that the number of workers
does not change any value.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from tam_video.errors import ConfigError, ModelError
from tam_video.evaluation.clip import ClipJob
from tam_video.evaluation.ledger import ClipRow, open_clip_log
from tam_video.evaluation.report import Experiment, Files, Report, make_report
from tam_video.evaluation.settings import ExperimentSettings
from tam_video.models.inference import TransformersModel
from tam_video.stages import StepProgress


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished evaluation.

    Attributes:
        folder: its folder.
        report: its figures.
        files: "clips", "results", "csv", and a list of "plots".
        num_resumed: clips that an earlier run had measured.
    """

    folder: Path
    report: Report[Any, Any]
    files: Files
    num_resumed: int


def evaluate(
    settings: ExperimentSettings,
    folder: str | Path,
    *,
    workers: int = 1,
    force: bool = False,
    progress: StepProgress | None = None,
) -> Evaluation:
    """Measure the clips that are missing in an evaluation folder, then write the report.

    Processes are spawned: a script that calls this does so under `if __name__ == "__main__":`.

    Args:
        settings: of one of the experiments.
        folder: a new or empty folder, or one to resume: an evaluation with the same settings, whose
            number of clips may differ.
        workers: number of processes.
        force: start over in a folder with an evaluation.
        progress: called after every clip with the finished clips and their total.

    Raises:
        OutputError: the folder holds something else or other settings, or can't be written.
        ModelError: the model can't be loaded, or fails on a clip. Finished clips are kept.
    """
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, not {workers}")
    experiment: Experiment[Any, Any] = resolve_name(settings.experiment)
    target, fields = Path(folder), type(settings).model_fields.items()
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields}
    with open_clip_log(target, settings.identity(), defaults=defaults, force=force) as log:
        jobs = clip_jobs(settings)
        missing = [job for job in jobs if (job.world, job.number) not in log.rows]
        resumed = len(jobs) - len(missing)
        if progress is not None:
            progress(resumed, len(jobs))
        with closing(measured(experiment, missing, settings, workers=workers)) as rows:
            for done, row in enumerate(rows, start=resumed + 1):
                log.append(row)
                if progress is not None:
                    progress(done, len(jobs))
        rows_in_order = [log.rows[job.world, job.number] for job in jobs]
        report = make_report(rows_in_order, settings, experiment)
        return Evaluation(target, report, report.write(target), resumed)


def clip_jobs(settings: ExperimentSettings) -> list[ClipJob]:
    """Return a job for every clip to measure, one shape world after another."""
    return [
        ClipJob(world, number, settings.clip_seed(number))
        for world in settings.worlds
        for number in range(settings.num_clips(world))
    ]


def measured(
    experiment: Experiment[Any, Any],
    jobs: Sequence[ClipJob],
    settings: ExperimentSettings,
    *,
    workers: int,
) -> Generator[ClipRow, None, None]:
    """Yield the rows of clips as they finish. Closing the generator ends the worker processes.

    What a clip raised is raised here; a process that died is a `ModelError`.
    """
    if not jobs:
        return
    before = set(active_children())
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_start_worker
    )
    try:
        futures: list[Future[ClipRow]] = [
            pool.submit(_measure, experiment.measure, settings, job) for job in jobs
        ]
        for future in as_completed(futures):
            yield future.result()
        pool.shutdown()
    except BrokenProcessPool as exc:
        raise ModelError(
            "a worker process died before its clip was finished",
            hint="if memory ran out, run again with fewer --workers; finished clips are kept",
        ) from exc
    finally:
        # After an error the other clips are not waited for: they may take minutes each.
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - before:
            process.terminate()


def _measure(measure: Any, settings: ExperimentSettings, job: ClipJob) -> ClipRow:
    model = _worker_model(settings.model, settings.revision, settings.dtype, settings.device)
    row: ClipRow = measure(model, settings, job)
    return row


@lru_cache(maxsize=1)
def _worker_model(name: str, revision: str | None, dtype: str, device: str) -> TransformersModel:
    """Load the model in this worker when its first clip starts, so that errors reach the user."""
    import torch

    from tam_video.models import load_model

    torch.set_num_threads(1)
    return load_model(name, revision=revision, dtype=dtype, device=device)


def _start_worker() -> None:
    """Ignore Ctrl-C, and exit when the parent process ends or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
