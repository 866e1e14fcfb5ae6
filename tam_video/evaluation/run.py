"""Clips to a ledger, on several processes, and the ledger to its report.

Processes are spawned, load the model once and use one thread each, so that the number of workers
changes no value.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from tam_video.errors import ConfigError, ModelError
from tam_video.evaluation.clip import ClipJob, measure_clip
from tam_video.evaluation.ledger import LEDGER_FILE, PLOTS_FOLDER, ClipRow, open_ledger
from tam_video.evaluation.plots import make_plots
from tam_video.evaluation.report import Report, make_report, to_csv, to_json
from tam_video.evaluation.settings import EvaluationSettings, Settings
from tam_video.models.inference import TransformersModel
from tam_video.stages import StepProgress
from tam_video.workspace.files import atomic_write

Measure: TypeAlias = Callable[[TransformersModel, Settings, ClipJob], ClipRow]
"""What is done with a clip; a function of a module, for it goes to other processes by name."""
Files: TypeAlias = dict[str, Path | list[Path]]
ReportT = TypeVar("ReportT")


@dataclass(frozen=True, slots=True)
class Evaluation(Generic[ReportT]):
    """A finished evaluation.

    Attributes:
        folder: where it is.
        report: its figures.
        files: "clips", "results", "csv", and a list of "plots".
        num_resumed: clips that an earlier run had measured.
    """

    folder: Path
    report: ReportT
    files: Files
    num_resumed: int


def evaluate(
    settings: Settings,
    folder: str | Path,
    *,
    measure: Measure[Settings] = measure_clip,
    workers: int = 1,
    force: bool = False,
    progress: StepProgress | None = None,
) -> Evaluation[Report]:
    """Measure the clips that are missing in a folder, then write its report.

    Processes are spawned: a script that calls this does so under `if __name__ == "__main__":`.

    Args:
        settings: what is measured.
        folder: a new or empty folder, or one to go on with: an evaluation with the same settings,
            which may have had another number of clips.
        measure: what is done with a clip.
        workers: processes.
        force: start over in a folder with an evaluation.
        progress: called after every clip.

    Raises:
        ConfigError: `workers` is below 1.
        OutputError: the folder holds something else or other settings, or can't be written.
        ModelError: the model can't be loaded, or fails on a clip. Finished clips are kept.
    """
    return evaluated(
        measure,
        settings,
        folder,
        make_report,
        write_report,
        workers=workers,
        force=force,
        progress=progress,
    )


def evaluated(
    measure: Measure[Settings],
    settings: Settings,
    folder: str | Path,
    make: Callable[[list[ClipRow], Settings], ReportT],
    write: Callable[[ReportT, Path], Files],
    *,
    workers: int,
    force: bool,
    progress: StepProgress | None,
) -> Evaluation[ReportT]:
    """`evaluate` with a report of any kind.

    Args:
        measure: what is done with a clip.
        settings: what is measured.
        folder: a new or empty folder, or one to go on with.
        make: all clips, in the order of `clip_jobs`, to a report.
        write: the report to the files of the folder.
        workers: processes.
        force: start over in a folder with an evaluation.
        progress: called after every clip.

    Raises:
        TamVideoError: as `evaluate`.
    """
    target = Path(folder)
    rows, resumed = _finished_clips(
        measure, settings, target, workers=workers, force=force, progress=progress
    )
    report = make(rows, settings)
    return Evaluation(target, report, write(report, target), resumed)


def _finished_clips(
    measure: Measure[Settings],
    settings: Settings,
    folder: Path,
    *,
    workers: int,
    force: bool,
    progress: StepProgress | None,
) -> tuple[list[ClipRow], int]:
    """All clips in the order of `clip_jobs`, and how many an earlier run had measured."""
    if workers < 1:
        raise ConfigError(f"workers must be 1 or more, not {workers}")
    ledger = open_ledger(folder, settings.identity(), force=force)
    jobs = clip_jobs(settings)
    missing = [job for job in jobs if (job.world, job.number) not in ledger.rows]
    resumed = len(jobs) - len(missing)
    if progress is not None:
        progress(resumed, len(jobs))
    with closing(measured(measure, missing, settings, workers=workers)) as rows:
        for done, row in enumerate(rows, start=resumed + 1):
            ledger.append(row)
            if progress is not None:
                progress(done, len(jobs))
    return [ledger.rows[job.world, job.number] for job in jobs], resumed


def clip_jobs(settings: EvaluationSettings) -> list[ClipJob]:
    """Every clip to measure, world after world."""
    return [
        ClipJob(world, number, settings.clip_seed(number))
        for world in settings.worlds
        for number in range(settings.num_clips(world))
    ]


def write_report(report: Report, folder: Path) -> Files:
    """Write results.json, results.csv and the plots, each whole or not at all.

    Raises:
        ExportError: one can't be written.
    """
    return write_results(folder, to_json(report), table=to_csv(report), plots=make_plots(report))


def write_results(folder: Path, document: str, *, table: str, plots: Mapping[str, str]) -> Files:
    """Write the files of any report, each whole or not at all.

    Args:
        folder: of the evaluation.
        document: results.json.
        table: results.csv.
        plots: file names and SVG texts.

    Returns:
        Where they are: "clips", "csv", "results", and a list of "plots".

    Raises:
        ExportError: one can't be written.
    """
    drawn = [atomic_write(folder / PLOTS_FOLDER / name, text) for name, text in plots.items()]
    return {
        "clips": folder / LEDGER_FILE,
        "csv": atomic_write(folder / "results.csv", table),
        "results": atomic_write(folder / "results.json", document),
        "plots": drawn,
    }


def measured(
    measure: Measure[Settings], jobs: Sequence[ClipJob], settings: Settings, *, workers: int
) -> Generator[ClipRow, None, None]:
    """Yield clips as they are finished, in any order. Closing it ends the processes.

    Raises:
        TamVideoError: what a clip raised.
        ModelError: a process died.
    """
    if not jobs:
        return
    before = set(active_children())
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_start_worker
    )
    try:
        futures: list[Future[ClipRow]] = [
            pool.submit(_measure, measure, settings, job) for job in jobs
        ]
        for future in as_completed(futures):
            yield future.result()
        pool.shutdown()
    except BrokenProcessPool as exc:
        raise ModelError(
            "a worker process died before its clip was finished",
            hint="most often for lack of memory: fewer --workers; finished clips are kept",
        ) from exc
    finally:
        # After an error nobody waits for the other clips: they may take minutes each.
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - before:
            process.terminate()


def _measure(measure: Measure[Settings], settings: Settings, job: ClipJob) -> ClipRow:
    model = _worker_model(settings.model, settings.revision, settings.dtype, settings.device)
    return measure(model, settings, job)


@lru_cache(maxsize=1)
def _worker_model(name: str, revision: str | None, dtype: str, device: str) -> TransformersModel:
    """The model of this process, loaded with its first clip, so that its error reaches the user."""
    import torch

    from tam_video.models import load_model

    torch.set_num_threads(1)
    return load_model(name, revision=revision, dtype=dtype, device=device)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it, even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
