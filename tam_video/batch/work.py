"""The worker that explains items: decode, run the model, write and publish the run folder."""

from __future__ import annotations

import gc
import json
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from tam_video.batch.jobs import ItemRequest, Job, Outcome, is_out_of_memory
from tam_video.batch.object_store import open_storage
from tam_video.batch.sources import fetch, is_remote
from tam_video.config import RunConfig
from tam_video.errors import ModelError
from tam_video.export.manifest import read_manifest
from tam_video.models import VideoModel
from tam_video.pipeline import explain_frames, load_model_from_config
from tam_video.runs import Output, write_run
from tam_video.sampling import SampledFrames, read_frames
from tam_video.types import Explanation
from tam_video.video.reader import ReadLimits
from tam_video.workspace.files import wrap_os_errors

KEEP: dict[str, Output] = {
    "maps": "maps",
    "mp4": "video",
    "vtt": "captions",
    "html": "report",
}
"""What a run folder may leave out, by the names of `--keep`, as outputs of `write_run`."""


@dataclass(frozen=True, slots=True)
class ExplainWork:
    """Picklable factory that creates the worker in each process.

    Attributes:
        config: settings of every item, except its start and end.
        out: output of the batch.
        label: label of the log; also names the temporary folders.
        keep: names of `KEEP`.
        limits: what a file may declare.
        notices: inserted before the warnings of every explanation.
    """

    config: RunConfig
    out: str
    label: str
    keep: frozenset[str]
    limits: ReadLimits
    notices: tuple[str, ...] = ()

    def __call__(self) -> ExplainWorker:
        """Load the model and return a worker."""
        import torch

        torch.set_num_threads(1)  # results must not depend on the number of workers
        return ExplainWorker(self, load_model_from_config(self.config))


@dataclass(frozen=True, slots=True, eq=False)
class LoadedClip:
    """The local input files of a job and their frames; `folder` contains downloaded copies."""

    paths: tuple[Path, ...]
    frames: SampledFrames
    folder: Path


class ExplainWorker:
    """A worker that explains items; see `Worker` for the phases."""

    def __init__(self, work: ExplainWork, model: VideoModel) -> None:
        self._work, self._model = work, model
        self._storage = open_storage(work.out)
        self._folder = self._storage.work_folder(work.label)
        self._open = ExitStack()
        self._forget_vision = self._open.enter_context(model.shared_vision())

    def find(self, question: ItemRequest) -> Outcome | None:
        """Return the outcome of an item whose run folder is already finished, otherwise None."""
        folder = self._storage.fetch_run(question.run)
        return None if folder is None else outcome_of(folder, question)

    def read(self, job: Job) -> LoadedClip:
        """Copy and decode the clip, once for all items of the job."""
        with wrap_os_errors(self._folder):
            folder = Path(tempfile.mkdtemp(dir=self._folder, prefix="clip."))
        try:
            paths = [fetch(source, folder / str(n)) for n, source in enumerate(job.videos)]
            frames = read_frames(
                paths, model=self._model, settings=self._settings(job), limits=self._work.limits
            )
            return LoadedClip(tuple(paths), frames, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def answer(self, job: Job, question: ItemRequest, clip: LoadedClip) -> Explanation:
        """Explain an item; after a failed allocation, free memory and retry once."""
        try:
            return self._answer(job, question, clip)
        except (ModelError, MemoryError) as exc:
            if not is_out_of_memory(exc):
                raise
        self._forget_vision()
        free_memory()
        return self._answer(job, question, clip)

    def write(
        self, job: Job, question: ItemRequest, clip: LoadedClip, answered: Explanation
    ) -> Outcome:
        """Write the run folder of an item and publish it."""
        folder = self._folder / question.run
        shutil.rmtree(folder, ignore_errors=True)
        write_run(
            answered,
            clip.paths,
            folder,
            settings=self._settings(job),
            outputs={KEEP[name] for name in self._work.keep},
        )
        outcome = outcome_of(folder, question)
        self._storage.publish(folder, question.run)
        return outcome

    def forget(self, clip: LoadedClip) -> None:
        """Remove the downloaded copies of a clip."""
        shutil.rmtree(clip.folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the temporary folder, and undo the changes to the model."""
        self._open.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answer(self, job: Job, question: ItemRequest, clip: LoadedClip) -> Explanation:
        explanation = explain_frames(
            clip.frames,
            question.turns,
            model=self._model,
            settings=self._settings(job),
            answer=question.answer,
        )
        warnings = (*self._work.notices, *explanation.warnings)
        return _with_sources(replace(explanation, warnings=warnings), job.videos)

    def _settings(self, job: Job) -> RunConfig:
        part = {"start_seconds": job.start_seconds, "end_seconds": job.end_seconds}
        update = {name: value for name, value in part.items() if value is not None}
        return self._work.config.model_copy(update=update)


def outcome_of(folder: Path, question: ItemRequest) -> Outcome:
    """Read the outcome of an item from its finished run folder."""
    document = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    maps = read_manifest(folder).get("maps.npz")
    calibration = document.get("calibration")
    return Outcome(
        question.key,
        run=question.run,
        answer=document["answer"],
        maps=maps["sha256"] if maps else None,
        num_warnings=len(document["warnings"]),
        profile=document.get("settings", {}).get("profile", ""),
        verdict=calibration["verdict"] if calibration else "",
        seconds=document["timings_seconds"],
    )


def free_memory() -> None:
    """Release memory after a failed allocation."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _with_sources(explanation: Explanation, sources: Sequence[str]) -> Explanation:
    """Replace the paths of downloaded copies by the addresses in the items."""
    if not any(is_remote(source) for source in sources):
        return explanation
    inputs = tuple(
        replace(each, info=replace(each.info, path=Path(each.info.path.name)))
        for each in explanation.inputs
    )
    return replace(
        explanation,
        inputs=inputs,
        settings={**explanation.settings, "sources": list(sources)},
    )
