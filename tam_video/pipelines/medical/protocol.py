"""The pipeline: take files in without their names, ask the protocol, tell study by study."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from tam_video import batch
from tam_video.batch.ledger import LEDGER
from tam_video.batch.runner import ItemResult
from tam_video.batch.storage import RUNS
from tam_video.errors import NoVideoStreamError, OutputExistsError, TamVideoError
from tam_video.models import check_conversation
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.pipelines.medical.export import export_run
from tam_video.pipelines.medical.identity import Salt, read_salt
from tam_video.pipelines.medical.intake import MedicalClip, take_in
from tam_video.pipelines.medical.options import MedicalOptions
from tam_video.pipelines.medical.pages import INDEX, STUDIES, write_pages
from tam_video.pipelines.medical.sources import Source, find_sources
from tam_video.pipelines.medical.studies import Answer, Failure, group_by_study
from tam_video.pipelines.medical.work import NOTICE, MedicalWork
from tam_video.stages import StageProgress
from tam_video.types import Message
from tam_video.workspace.files import atomic_write, wrap_os_errors

logger = logging.getLogger(__name__)

MARK = "medical.json"
TABLE = "studies.json"
_BATCH, _CLIPS, _DICOM = "batch", "clips", "dicom"
_VERSION = 1


@dataclass(slots=True)
class _Taken:
    """What became of the sources."""

    clips: dict[str, MedicalClip] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    skipped: int = 0


class Medical:
    """See `Pipeline`. The output holds no name, no tag and no pixel that was to be masked."""

    options_type: ClassVar[type[PipelineOptions]] = MedicalOptions

    def __init__(self, options: MedicalOptions) -> None:
        self._options, self._output = options, options.output

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Make it ready; nothing is opened yet."""
        if not isinstance(options, MedicalOptions):
            raise TypeError("the medical pipeline takes MedicalOptions")
        return cls(options)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Take the inputs in, ask the protocol of each clip, and write the pages.

        Raises:
            ConfigError: an input stands for no file; the salt can't be used.
            OutputExistsError: the output holds something else, or another mask, crop or salt.
            TamVideoError: the model can't be loaded, or nothing can be written.
        """
        sources = find_sources(self._options.inputs)
        salt, is_new = read_salt(self._options.salt_file, outside=self._output)
        self._claim(salt, force=force)
        taken = self._take_in(sources, salt, progress)
        answers = list(self._ask(list(taken.clips.values()), salt, progress))
        index = self._tell(taken, answers)
        warnings = [f"{each.input}: {each.error}" for each in taken.failed]
        for clip in taken.clips.values():
            warnings += [f"clip {clip.clip}: {words}" for words in clip.warnings]
        if is_new:
            warnings.append("a new salt was made: keep it, it is what pseudonyms can be traced by")
        return PipelineResult(
            opens=index,
            summary={
                "index": str(index),
                "studies": len({clip.study for clip in taken.clips.values()}),
                "clips": len(taken.clips),
                "answers": sum(not each.error for each in answers),
                "failed_answers": sum(bool(each.error) for each in answers),
                "failed_inputs": len(taken.failed),
                "skipped": taken.skipped,
                "notice": NOTICE,
            },
            num_failed=len(taken.failed) + sum(bool(each.error) for each in answers),
            warnings=tuple(warnings),
        )

    def _claim(self, salt: Salt, *, force: bool) -> None:
        """Make the output ours, or go on with what is in it."""
        options, mark = self._options, self._output / MARK
        kept = {"mask", "mask_boxes", "crop", "unmasked"}
        told = {
            "medical_version": _VERSION,
            "salt_check": salt.pseudonym("salt check"),
            **options.model_dump(mode="json", include=kept),
        }
        text = json.dumps(told, indent=1, sort_keys=True) + "\n"
        if mark.is_file() and force:
            self._clear()
        if mark.is_file():
            if mark.read_text(encoding="utf-8") != text:
                raise OutputExistsError(
                    "the output holds a run with another salt, mask or crop",
                    hint="choose another output, or pass --force to replace it",
                )
            return
        if os.path.lexists(self._output) and (
            not self._output.is_dir() or any(self._output.iterdir())
        ):
            raise OutputExistsError(
                "the output exists and is not of this pipeline", hint="choose another output"
            )
        atomic_write(mark, text)

    def _clear(self) -> None:
        """Remove what this pipeline wrote, the mark last."""
        with wrap_os_errors(self._output):
            for name in (_BATCH, _CLIPS, _DICOM, STUDIES):
                shutil.rmtree(self._output / name, ignore_errors=True)
            for name in (INDEX, TABLE, MARK):
                (self._output / name).unlink(missing_ok=True)

    def _take_in(
        self, sources: Sequence[Source], salt: Salt, progress: StageProgress | None
    ) -> _Taken:
        taken = _Taken()
        for number, source in enumerate(sources):
            if progress is not None:
                progress("de-identify", number, len(sources))
            try:
                clip = take_in(
                    source.path,
                    self._output / _CLIPS,
                    name=source.name,
                    options=self._options,
                    salt=salt,
                )
                taken.clips[clip.clip] = clip
            except NoVideoStreamError as exc:
                if source.is_named:
                    taken.failed.append(_failure(source, exc))
                else:  # a study's folder holds reports and other objects too
                    taken.skipped += 1
            except TamVideoError as exc:
                taken.failed.append(_failure(source, exc))
        return taken

    def _ask(
        self, clips: Sequence[MedicalClip], salt: Salt, progress: StageProgress | None
    ) -> Iterator[Answer]:
        """Ask each clip the questions meant for it, under the rules of a batch."""
        options, place = self._options, self._output / _BATCH
        by_id = {clip.clip: clip for clip in clips}
        how = batch.BatchOptions(
            workers=options.workers,
            timeout_seconds=options.timeout_seconds,
            retry_failed=options.retry_failed,
        )
        work = MedicalWork(options.run, str(place), LEDGER, how.keep, how.limits)
        items = list(self._items(clips))
        if not items:
            return
        with closing(
            batch.run(items, place, config=options.run, options=how, factory=work)
        ) as results:
            for number, result in enumerate(results, start=1):
                if progress is not None:
                    progress("ask", number, len(items))
                yield self._answer(result, by_id[str(result.item.extra["clip"])], salt)

    def _items(self, clips: Sequence[MedicalClip]) -> Iterator[batch.BatchItem]:
        folder = self._output.absolute() / _CLIPS
        for clip in clips:
            for question in self._options.questions:
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

    def _answer(self, result: ItemResult, clip: MedicalClip, salt: Salt) -> Answer:
        name = str(result.item.extra["question_id"])
        question = result.item.turns[-1].text
        if result.error is not None:
            error = f"{result.error.type}: {result.error.message}"
            return Answer(clip.clip, name, question, error=error)
        run, dicom = Path(result.run_dir), ""
        if self._options.secondary_capture:
            file = self._output / _CLIPS / clip.file
            target = self._output / _DICOM / f"{clip.clip}.{name}.dcm"
            dicom = export_run(run, clip, file, target, salt=salt).name
        return Answer(clip.clip, name, question, run.name, result.answer, dicom=dicom)

    def _tell(self, taken: _Taken, answers: Sequence[Answer]) -> Path:
        """Write `studies.json` and the pages."""
        order = {question.id: number for number, question in enumerate(self._options.questions)}
        answers = sorted(answers, key=lambda each: order[each.question_id])
        studies = group_by_study(
            taken.clips.values(),
            answers,
            output=self._output,
            runs=f"{_BATCH}/{RUNS}",
            dicom=_DICOM,
        )
        table = {
            "notice": NOTICE,
            "studies": [asdict(study) for study in studies],
            "failed_inputs": [asdict(each) for each in taken.failed],
        }
        atomic_write(self._output / TABLE, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
        return write_pages(self._output, studies, taken.failed, skipped=taken.skipped)


def _failure(source: Source, exc: TamVideoError) -> Failure:
    """The message of a reader: it knows the file by our name for it alone."""
    message = exc.message.removeprefix(f"{source.name}: ")
    return Failure(source.name, f"{type(exc).__name__}: {message}", exc.hint)
