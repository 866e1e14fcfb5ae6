"""What a worker does in this pipeline: explain, and say on every report what this is not."""

from __future__ import annotations

from dataclasses import replace

from tam_video.batch.jobs import ItemRequest, Job
from tam_video.batch.work import ExplainWork, ExplainWorker, LoadedClip
from tam_video.pipeline import load_model_from_config
from tam_video.types import Explanation

NOTICE = (
    "Not a medical device. For research only: answers and maps must not be used for diagnosis, "
    "treatment or triage."
)


class MedicalWork(ExplainWork):
    """Makes the worker of a process; see `ExplainWork`."""

    def __call__(self) -> MedicalWorker:
        """Load the model."""
        import torch

        torch.set_num_threads(1)  # so that the number of workers changes no value
        return MedicalWorker(self, load_model_from_config(self.config))


class MedicalWorker(ExplainWorker):
    """An `ExplainWorker` whose runs carry the notice."""

    def answer(self, job: Job, question: ItemRequest, clip: LoadedClip) -> Explanation:
        """Ask, and put the notice before all other warnings, which report and document show."""
        said = super().answer(job, question, clip)
        return replace(said, warnings=(NOTICE, *said.warnings))
