"""Ask questions about clips, and keep what the model looked at: a report for every answer.

One question on one clip becomes a run folder. Several become a batch: a ledger, a run folder for
each, and a page of all; a clip that fails costs only itself, and the same preset goes on where it
was stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from tam_video.batch.sources import is_remote
from tam_video.batch.work import drop_unkept
from tam_video.errors import ConfigError, InputError, ModelError, TamVideoError
from tam_video.export import EXPORTERS
from tam_video.export.exporting import export_run
from tam_video.long import LongOptions, explain_long
from tam_video.long.windows import WindowOptions
from tam_video.pipelines.asking import (
    NamedClip,
    QuestionText,
    ask_in_batch,
    failure,
    named_clips,
    remove_batch,
)
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.report import write_report
from tam_video.runs import explain_to_folder
from tam_video.stages import StageProgress


class VideoQaOptions(PipelineOptions):
    """What a preset of `video-qa` may say.

    Attributes:
        questions: each is asked of each clip.
        workers: processes that work side by side on several clips; None for one a GPU, or one.
        keep: what stays of each run beside the answer.
        formats: export formats that are written for each run, as `tam-video export -f`.
        window_seconds: ask of windows of this length, where something moves, as
            `tam-video explain --window`; None to ask of clips as a whole.
        stride_seconds: from window to window; None for their length.
    """

    questions: tuple[QuestionText, ...] = Field(min_length=1)
    workers: int | None = Field(default=None, ge=1)
    keep: tuple[Literal["maps", "mp4", "vtt", "html"], ...] = ("maps", "mp4", "vtt", "html")
    formats: tuple[str, ...] = ()
    window_seconds: float | None = Field(default=None, gt=0)
    stride_seconds: float | None = Field(default=None, gt=0)


@dataclass(frozen=True, slots=True)
class VideoQa:
    """Questions on clips: answers, maps and reports."""

    options: VideoQaOptions
    options_type: ClassVar[type[PipelineOptions]] = VideoQaOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> VideoQa:
        """Check that the formats are there, and that what they are made from is kept.

        Raises:
            ConfigError: an unknown format, one without the maps, or what windows can't have.
            MissingDependencyError: a format needs a package that is not installed.
        """
        asked = VideoQaOptions.model_validate(options)
        if asked.formats and "maps" not in asked.keep:
            raise ConfigError("formats are made from the maps", hint='keep = ["maps", ...]')
        if asked.window_seconds is None and asked.stride_seconds is not None:
            raise ConfigError("a stride is one of windows", hint="set window_seconds")
        if asked.window_seconds is not None and (asked.formats or asked.workers):
            raise ConfigError("windows have no formats and no workers", hint="leave them out")
        for name in asked.formats:
            EXPORTERS.load(name).check_package()
        return cls(asked)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Ask every question of every clip.

        Raises:
            ConfigError: an input that is not there.
            OutputError: the output holds something else.
            TamVideoError: the only clip can't be explained; of several, the result tells.
        """
        clips, questions = named_clips(self.options.inputs), self.options.questions
        if self.options.window_seconds is not None:
            return self._in_windows(clips, questions, force=force, progress=progress)
        if len(clips) == len(questions) == 1 and not is_remote(clips[0].source):
            return self._one(clips[0], questions[0], force=force, progress=progress)
        return self._many(clips, questions, force=force, progress=progress)

    def _one(
        self, clip: NamedClip, question: str, *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        out, keep = self.options.output, self.options.keep
        settings = self.options.run
        if "mp4" not in keep:
            settings = settings.model_copy(update={"render": False})
        run = explain_to_folder(
            clip.source, out, question, config=settings, force=force, progress=progress
        )
        opens = run.videos[0] if run.videos else out
        if "html" in keep:
            told = None if progress is None else partial(progress, "report")
            opens = write_report(out, video=clip.source, progress=told)
        drop_unkept(out, frozenset(keep))
        if self.options.formats:
            export_run(out, self.options.formats, progress=progress)
        answer = run.explanation.answer
        return PipelineResult(
            opens, {"run_dir": str(out), "answer": answer}, warnings=run.explanation.warnings
        )

    def _many(
        self,
        clips: Sequence[NamedClip],
        questions: Sequence[str],
        *,
        force: bool,
        progress: StageProgress | None,
    ) -> PipelineResult:
        out, told = self.options.output, []
        if force:
            remove_batch(out)
        num_done = num_failed = num_resumed = 0
        for result in ask_in_batch(
            clips,
            questions,
            out,
            settings=self.options.run,
            keep=self.options.keep,
            workers=self.options.workers,
            progress=progress,
        ):
            problem = failure(result) or self._exported(Path(result.run_dir))
            if problem:
                told.append(problem)
            num_done, num_failed = num_done + (not problem), num_failed + bool(problem)
            num_resumed += result.is_resumed
        counts = {"done": num_done, "failed": num_failed, "resumed": num_resumed}
        opens = out / ("index.html" if num_done else "failed.jsonl")
        return PipelineResult(opens, {"output_dir": str(out), **counts}, num_failed, tuple(told))

    def _in_windows(
        self,
        clips: Sequence[NamedClip],
        questions: Sequence[str],
        *,
        force: bool,
        progress: StageProgress | None,
    ) -> PipelineResult:
        """Window by window: one timeline for each clip and question, in `NAME/question_N`."""
        windows = WindowOptions(self.options.window_seconds or 0, self.options.stride_seconds)
        options = LongOptions(windows=windows, report="html" in self.options.keep)
        out, made, failed = self.options.output, [], []
        for clip, (number, question) in product(clips, enumerate(questions, start=1)):
            try:
                result = explain_long(
                    clip.source,
                    out / clip.name / f"question_{number}",
                    question,
                    config=self.options.run,
                    options=options,
                    force=force,
                    progress=progress,
                )
            except (InputError, ModelError) as exc:
                failed.append(f"{clip.name}: {type(exc).__name__}: {exc.message}")
                continue
            made.append(result.files.get("report", result.folder))
            if result.failed:
                failed.append(f"{clip.name}: {len(result.failed)} windows failed")
        opens = made[0] if len(made) == 1 else out
        summary = {"output_dir": str(out), "files": [str(path) for path in made]}
        return PipelineResult(opens, summary, len(failed), tuple(failed))

    def _exported(self, run_dir: Path) -> str:
        """Write the formats of a run, if they are not there; why that failed."""
        if not self.options.formats or (run_dir / "export").exists():
            return ""
        try:
            export_run(run_dir, self.options.formats)
        except TamVideoError as exc:
            return f"{run_dir.name}: {exc.message}"
        return ""
