"""The medical pipeline: de-identify the inputs, run the protocol as a batch, write the pages."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from tam_video import batch
from tam_video.batch.ledger import LEDGER
from tam_video.batch.storage import RUNS
from tam_video.batch.work import ExplainWork
from tam_video.errors import NoVideoStreamError, TamVideoError
from tam_video.models import check_conversation
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.pipelines.medical.export import export_run
from tam_video.pipelines.medical.identity import Salt, read_salt
from tam_video.pipelines.medical.intake import MedicalClip, import_clip
from tam_video.pipelines.medical.options import MedicalOptions
from tam_video.pipelines.medical.sources import Source, find_sources
from tam_video.pipelines.medical.studies import (
    INDEX,
    NOTICE,
    STUDIES,
    Answer,
    Failure,
    group_by_study,
    write_pages,
)
from tam_video.stages import StageProgress
from tam_video.types import Message
from tam_video.workspace.files import atomic_write
from tam_video.workspace.workspace import Workspace, WorkspaceKind

TABLE = "studies.json"
_BATCH, _CLIPS, _DICOM = "batch", "clips", "dicom"
_KIND = WorkspaceKind(
    "a medical run",
    "medical.json",
    own=(_BATCH, _CLIPS, _DICOM, STUDIES, INDEX, TABLE),
    version=("medical_version", 1),
)


@dataclass(slots=True)
class _Imported:
    """Result of importing the inputs."""

    clips: dict[str, MedicalClip] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Medical:
    """De-identified clips, questions of a protocol, one page for each study."""

    options: MedicalOptions
    options_type: ClassVar[type[PipelineOptions]] = MedicalOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Create the pipeline; nothing is opened yet."""
        return cls(MedicalOptions.model_validate(options))

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """De-identify the inputs, ask the protocol about each clip, and write the pages.

        Raises:
            ConfigError: an input matches no file; the salt can't be used.
            OutputExistsError: the output contains something else, or has another mask or salt.
            TamVideoError: the model can't be loaded, or the output can't be written.
        """
        sources = find_sources(self.options.inputs)
        salt, is_new = read_salt(self.options.salt_file, outside=self.options.output)
        identity = self._identity(salt)
        with Workspace.opened(self.options.output, _KIND, identity, force=force):
            imported = self._import(sources, salt, progress)
            answers = self._ask(imported.clips, salt, progress)
            index = self._write_results(imported, answers)
        warnings = [f"{each.input}: {each.error}" for each in imported.failed]
        for clip in imported.clips.values():
            warnings += [f"clip {clip.clip}: {warning}" for warning in clip.warnings]
        if is_new:
            warnings.append("created a new salt: keep it, pseudonyms can only be traced with it")
        has_failed = [bool(each.error) for rows in answers.values() for each in rows]
        return PipelineResult(
            opens=index,
            summary={
                "index": str(index),
                "studies": len({clip.study for clip in imported.clips.values()}),
                "clips": len(imported.clips),
                "answers": len(has_failed) - sum(has_failed),
                "failed_answers": sum(has_failed),
                "failed_inputs": len(imported.failed),
                "skipped": imported.skipped,
                "notice": NOTICE,
            },
            num_failed=len(imported.failed) + sum(has_failed),
            warnings=tuple(warnings),
        )

    def _identity(self, salt: Salt) -> dict[str, Any]:
        """Return what all results of the output depend on."""
        names = {"mask", "mask_boxes", "crop", "unmasked"}
        return {
            "salt_check": salt.pseudonym("salt check"),
            **self.options.model_dump(mode="json", include=names),
        }

    def _import(
        self, sources: Sequence[Source], salt: Salt, progress: StageProgress | None
    ) -> _Imported:
        imported = _Imported()
        folder = self.options.output / _CLIPS
        for number, source in enumerate(sources):
            if progress is not None:
                progress("de-identify", number, len(sources))
            try:
                clip = import_clip(
                    source.path, folder, name=source.name, options=self.options, salt=salt
                )
                imported.clips[clip.clip] = clip
            except TamVideoError as exc:
                # The folder of a study contains reports and other objects too.
                if isinstance(exc, NoVideoStreamError) and not source.is_named:
                    imported.skipped += 1
                    continue
                message = exc.message.removeprefix(f"{source.name}: ")
                error = f"{type(exc).__name__}: {message}"
                imported.failed.append(Failure(source.name, error, exc.hint))
        return imported

    def _ask(
        self, clips: dict[str, MedicalClip], salt: Salt, progress: StageProgress | None
    ) -> dict[str, list[Answer]]:
        """Ask the questions about each clip as a batch; return the answers by clip."""
        options, folder = self.options, self.options.output / _BATCH
        batch_options = batch.BatchOptions(
            workers=options.workers,
            timeout_seconds=options.timeout_seconds,
            retry_failed=options.retry_failed,
        )
        factory = ExplainWork(
            options.run,
            str(folder),
            LEDGER,
            batch_options.keep,
            batch_options.limits,
            notices=(NOTICE,),
        )
        items = list(self._items(list(clips.values())))
        answers: defaultdict[str, list[Answer]] = defaultdict(list)
        if not items:
            return answers
        results = batch.run(
            items, folder, config=options.run, options=batch_options, task=batch.BatchTask(factory)
        )
        with closing(results):
            for number, result in enumerate(results, start=1):
                if progress is not None:
                    progress("ask", number, len(items))
                clip = clips[str(result.item.extra["clip"])]
                answers[clip.clip].append(self._answer(result, clip, salt))
        order = {question.id: number for number, question in enumerate(options.questions)}
        for rows in answers.values():
            rows.sort(key=lambda each: order[each.question_id])
        return answers

    def _items(self, clips: Sequence[MedicalClip]) -> Iterator[batch.BatchItem]:
        folder = self.options.output.absolute() / _CLIPS
        for clip in clips:
            for question in self.options.questions:
                if question.modality and clip.modality not in question.modality:
                    continue
                yield batch.BatchItem(
                    id=f"{clip.clip}.{question.id}",
                    videos=(str(folder / clip.file),),
                    turns=check_conversation([Message("user", question.text)]),
                    extra={
                        "clip": clip.clip,
                        "study": clip.study,
                        "patient": clip.patient,
                        "question_id": question.id,
                    },
                )

    def _answer(self, result: batch.ItemResult, clip: MedicalClip, salt: Salt) -> Answer:
        name = str(result.item.extra["question_id"])
        question = result.item.turns[-1].text
        if result.error is not None:
            error = f"{result.error.type}: {result.error.message}"
            return Answer(name, question, error=error)
        run_dir, dicom = Path(result.run_dir), ""
        if self.options.secondary_capture:
            output, dicom = self.options.output, f"{_DICOM}/{clip.clip}.{name}.dcm"
            export_run(run_dir, clip, output / _CLIPS / clip.file, output / dicom, salt=salt)
        return Answer(
            name,
            question,
            result.answer,
            report=f"../{_BATCH}/{RUNS}/{run_dir.name}/report.html",
            dicom=f"../{dicom}" if dicom else "",
        )

    def _write_results(self, imported: _Imported, answers: dict[str, list[Answer]]) -> Path:
        """Write `studies.json` and the pages."""
        output = self.options.output
        studies = group_by_study(imported.clips.values(), answers, output=output)
        table = {
            "notice": NOTICE,
            "studies": [asdict(study) for study in studies],
            "failed_inputs": [asdict(each) for each in imported.failed],
        }
        atomic_write(output / TABLE, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
        return write_pages(output, studies, imported.failed, skipped=imported.skipped)
