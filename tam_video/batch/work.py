"""What a worker of a batch does: read a clip, ask the model, write the run folder, publish it."""

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
from tam_video.batch.sources import fetch, is_remote
from tam_video.batch.storage import open_storage
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
    """Makes the worker of a process.

    Attributes:
        config: settings of every item, but for its start and end.
        out: where the batch writes.
        label: name of this process's ledger, which names its temporary folders too.
        keep: names of `KEEP`.
        limits: what a file may declare.
        notices: put before the warnings of every explanation.
    """

    config: RunConfig
    out: str
    label: str
    keep: frozenset[str]
    limits: ReadLimits
    notices: tuple[str, ...] = ()

    def __call__(self) -> ExplainWorker:
        """Load the model."""
        import torch

        torch.set_num_threads(1)  # so that the number of workers changes no value
        return ExplainWorker(self, load_model_from_config(self.config))


@dataclass(frozen=True, slots=True, eq=False)
class LoadedClip:
    """The inputs of a job.

    Attributes:
        sources: as the items name them.
        paths: the files; copies of what lies in a store.
        frames: what the model sees.
        folder: holds the copies.
    """

    sources: tuple[str, ...]
    paths: tuple[Path, ...]
    frames: SampledFrames
    folder: Path


class ExplainWorker:
    """See `Worker` for the stages."""

    def __init__(self, work: ExplainWork, model: VideoModel) -> None:
        self._work, self._model = work, model
        self._storage = open_storage(work.out)
        self._folder = self._storage.work_folder(work.label)
        self._open = ExitStack()
        self._forget_vision = self._open.enter_context(model.shared_vision())

    def find(self, question: ItemRequest) -> Outcome | None:
        """The outcome of a run folder that is there and whole."""
        folder = self._storage.fetch_run(question.run)
        return None if folder is None else outcome_of(folder, question)

    def read(self, job: Job) -> LoadedClip:
        """Fetch and decode, once for all questions."""
        with wrap_os_errors(self._folder):
            folder = Path(tempfile.mkdtemp(dir=self._folder, prefix="clip."))
        try:
            paths = []
            for number, source in enumerate(job.videos):
                place = folder / str(number)
                if is_remote(source):
                    place.mkdir()
                paths.append(fetch(source, place))
            frames = read_frames(
                paths, model=self._model, settings=self._settings(job), limits=self._work.limits
            )
            return LoadedClip(job.videos, tuple(paths), frames, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def answer(self, job: Job, question: ItemRequest, clip: LoadedClip) -> Explanation:
        """Ask; after a failed allocation once more, with what can be freed freed."""
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
        """Make the run folder and publish it."""
        made = self._folder / question.run
        shutil.rmtree(made, ignore_errors=True)
        write_run(
            answered,
            clip.paths,
            made,
            settings=self._settings(job),
            outputs={KEEP[name] for name in self._work.keep},
        )
        outcome = outcome_of(made, question)
        self._storage.publish(made, question.run)
        return outcome

    def forget(self, clip: LoadedClip) -> None:
        """Remove the copies."""
        shutil.rmtree(clip.folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the temporary folder, and leave the model as it was."""
        self._open.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answer(self, job: Job, question: ItemRequest, clip: LoadedClip) -> Explanation:
        said = explain_frames(
            clip.frames,
            question.turns,
            model=self._model,
            settings=self._settings(job),
            answer=question.answer,
        )
        said = replace(said, warnings=(*self._work.notices, *said.warnings))
        return _with_sources(said, clip.sources)

    def _settings(self, job: Job) -> RunConfig:
        told = {"start_seconds": job.start_seconds, "end_seconds": job.end_seconds}
        given = {name: value for name, value in told.items() if value is not None}
        return self._work.config.model_copy(update=given)


def outcome_of(folder: Path, question: ItemRequest) -> Outcome:
    """What a sealed run folder says of itself: the same, whoever wrote it."""
    document = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    maps = read_manifest(folder).get("maps.npz")
    return Outcome(
        question.key,
        run=question.run,
        answer=document["answer"],
        maps=maps["sha256"] if maps else None,
        num_warnings=len(document["warnings"]),
        seconds=document["timings_seconds"],
    )


def free_memory() -> None:
    """Give back what a failed allocation left behind."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _with_sources(explanation: Explanation, sources: Sequence[str]) -> Explanation:
    """Name the inputs as the items do, where they are copies of what lies in a store."""
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
