"""The medical pipeline: de-identify the inputs, run the protocol as a batch, write the pages."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from tam_video import batch
from tam_video.batch.ledger import LEDGER
from tam_video.batch.runner import batch_profile
from tam_video.batch.storage import RUNS
from tam_video.batch.work import KEEP, ExplainWork
from tam_video.dicom.header import MODALITIES
from tam_video.dicom.secondary_capture import CaptureTags, write_secondary_capture
from tam_video.errors import NoVideoStreamError, TamVideoError
from tam_video.export.document import calibration_row
from tam_video.models import check_conversation
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.pipelines.medical.identity import Salt, read_salt
from tam_video.pipelines.medical.intake import MedicalClip, Source, find_sources, import_clip
from tam_video.pipelines.medical.options import MedicalOptions
from tam_video.pipelines.medical.studies import (
    INDEX,
    NOTICE,
    STUDIES,
    Answer,
    Failure,
    Study,
    group_by_study,
    write_pages,
)
from tam_video.profiles.resolve import calibrated_profile, calibration_of
from tam_video.stages import StageProgress
from tam_video.types import Message
from tam_video.video.reader import DEFAULT_LIMITS, open_video
from tam_video.workspace.files import atomic_write, wrap_os_errors
from tam_video.workspace.workspace import Workspace, WorkspaceKind

TABLE = "studies.json"
_BATCH, _CLIPS, _DICOM = "batch", "clips", "dicom"
_DERIVATION = "Token activation maps of a video language model drawn on the frames"
_KIND = WorkspaceKind(
    "a medical run",
    "medical.json",
    own=(_BATCH, _CLIPS, _DICOM, STUDIES, INDEX, TABLE),
    version=("medical_version", 1),
)


@dataclass(frozen=True, slots=True)
class Medical:
    """A pipeline that de-identifies clips, asks protocol questions, and writes a page per study."""

    options: MedicalOptions
    options_type: ClassVar[type[PipelineOptions]] = MedicalOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Create the pipeline without opening any input."""
        return cls(MedicalOptions.model_validate(options))

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """De-identify the inputs, ask the protocol questions about each clip, and write the pages.

        Raises:
            ConfigError: an input matches no file; the salt can't be used.
            OutputExistsError: the output contains something else, or has another mask or salt.
            TamVideoError: the model can't be loaded, or the output can't be written.
        """
        sources = find_sources(self.options.inputs)
        salt, is_new = read_salt(self.options.salt_file, outside=self.options.output)
        identity = self._identity(salt)
        with Workspace.opened(self.options.output, _KIND, identity, force=force):
            clips, failed, skipped = self._import(sources, salt, progress)
            answers = self._ask(clips, salt, progress)
            studies = group_by_study(clips.values(), answers, output=self.options.output)
            index = self._write_results(studies, failed, skipped)
        warnings = [f"{each.input}: {each.error}" for each in failed]
        for clip in clips.values():
            warnings += [f"clip {clip.clip}: {warning}" for warning in clip.warnings]
        if is_new:
            warnings.append("created a new salt: keep it, pseudonyms can only be traced with it")
        num_failed = sum(study.num_failed for study in studies)
        return PipelineResult(
            opens=index,
            summary={
                "index": str(index),
                "studies": len(studies),
                "clips": len(clips),
                "answers": sum(study.num_answers for study in studies),
                "failed_answers": num_failed,
                "failed_inputs": len(failed),
                "skipped": skipped,
                "notice": NOTICE,
            },
            num_failed=len(failed) + num_failed,
            warnings=tuple(warnings),
        )

    def _identity(self, salt: Salt) -> dict[str, Any]:
        """Return the settings that all results in the output folder depend on."""
        names = {"mask", "mask_boxes", "crop", "unmasked"}
        return {
            "salt_check": salt.pseudonym("salt check"),
            **self.options.model_dump(mode="json", include=names),
        }

    def _import(
        self, sources: Sequence[Source], salt: Salt, progress: StageProgress | None
    ) -> tuple[dict[str, MedicalClip], list[Failure], int]:
        """Return imported clips by pseudonym, failed inputs, and the number of skipped files."""
        clips: dict[str, MedicalClip] = {}
        failed: list[Failure] = []
        skipped, folder = 0, self.options.output / _CLIPS
        for number, source in enumerate(sources):
            if progress is not None:
                progress("de-identify", number, len(sources))
            try:
                clip = import_clip(
                    source.path, folder, name=source.name, options=self.options, salt=salt
                )
                clips[clip.clip] = clip
            except TamVideoError as exc:
                # The folder of a study contains reports and other objects too.
                if isinstance(exc, NoVideoStreamError) and not source.is_named:
                    skipped += 1
                    continue
                message = exc.message.removeprefix(f"{source.name}: ")
                failed.append(Failure(source.name, f"{type(exc).__name__}: {message}", exc.hint))
        return clips, failed, skipped

    def _ask(
        self, clips: dict[str, MedicalClip], salt: Salt, progress: StageProgress | None
    ) -> dict[str, list[Answer]]:
        """Ask the questions about all clips as one batch. Return the answers for each clip."""
        options, folder = self.options, self.options.output / _BATCH
        items = list(self._items(clips.values()))
        answers: defaultdict[str, list[Answer]] = defaultdict(list)
        if not items:
            return answers
        resolved = batch_profile(options.run, folder)
        worker = ExplainWork(
            resolved.config,
            str(folder),
            LEDGER,
            frozenset(KEEP),
            DEFAULT_LIMITS,
            notices=(NOTICE, *resolved.notices),
        )
        results = batch.run(
            items,
            folder,
            config=resolved.config,
            options=batch.BatchOptions(
                workers=options.workers,
                timeout_seconds=options.timeout_seconds,
                retry_failed=options.retry_failed,
                verify=options.verify,
            ),
            task=batch.BatchTask(worker),
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

    def _items(self, clips: Iterable[MedicalClip]) -> Iterator[batch.BatchItem]:
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
        run_dir = Path(result.run_dir)
        dicom = f"{_DICOM}/{clip.clip}.{name}.dcm" if self.options.secondary_capture else ""
        if dicom and (self.options.verify or not (self.options.output / dicom).is_file()):
            self._export(run_dir, clip, self.options.output / dicom, salt)
        return Answer(
            name,
            question,
            result.answer,
            report=f"../{_BATCH}/{RUNS}/{run_dir.name}/report.html",
            dicom=f"../{dicom}" if dicom else "",
        )

    def _export(self, run_dir: Path, clip: MedicalClip, target: Path, salt: Salt) -> None:
        """Write the annotated frames of a run as a DICOM Secondary Capture object.

        The same run gets the same UIDs. The frames have the exact times of the clip, unless the
        annotated video has another number of frames.
        """
        with wrap_os_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        drawn = run_dir / ("annotated.png" if clip.num_frames == 1 else "annotated.mp4")
        source_path = self.options.output / _CLIPS / clip.file
        with open_video(drawn) as reader, open_video(source_path) as source:
            same = len(reader.timeline) == len(source.timeline)
            write_secondary_capture(
                target,
                (frame.rgb for frame in reader.frames()),
                (source if same else reader).timeline.pts_seconds,
                CaptureTags(
                    patient=clip.patient or clip.study,
                    study_uid=salt.uid("study uid", clip.study),
                    series_uid=salt.uid("series uid", target.stem),
                    instance_uid=salt.uid("instance uid", target.stem),
                    modality=clip.modality if clip.modality in MODALITIES else "OT",
                    has_burned_in=clip.has_burned_in,
                    derivation=_DERIVATION,
                ),
            )

    def _write_results(
        self, studies: Sequence[Study], failed: Sequence[Failure], skipped: int
    ) -> Path:
        """Write `studies.json` and the pages."""
        output = self.options.output
        planned = batch_profile(self.options.run, output / _BATCH).config
        calibration = calibration_of(calibrated_profile(planned))
        table = {
            "notice": NOTICE,
            "calibration": calibration_row(calibration),
            "studies": [asdict(study) for study in studies],
            "failed_inputs": [asdict(each) for each in failed],
        }
        atomic_write(output / TABLE, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
        return write_pages(output, studies, failed, skipped=skipped, calibration=calibration)
