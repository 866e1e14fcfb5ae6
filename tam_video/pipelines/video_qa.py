"""The video-qa pipeline: ask questions about clips, and write answers, maps and reports.

One question about one clip becomes a run folder. Several become a batch: a ledger, a run folder for
each, and an index page; a clip that fails does not stop the others, and the same preset resumes an
interrupted run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar, Literal, Self

from tam_video.batch.work import KEEP
from tam_video.errors import ConfigError, InputError, ModelError, TamVideoError
from tam_video.export import EXPORTERS
from tam_video.export.exporting import export_run
from tam_video.long import LongOptions, explain_long
from tam_video.long.windows import WindowOptions
from tam_video.pipelines.base import WORKERS, PipelineOptions, PipelineResult, QuestionText
from tam_video.pipelines.clips import ask_in_batch, failure, named_clips, needs_batch
from tam_video.runs import explain_to_folder
from tam_video.settings.declare import REQUIRED, setting
from tam_video.stages import StageProgress


class VideoQaOptions(PipelineOptions):
    """Preset options of `video-qa`."""

    questions: tuple[QuestionText, ...] = setting(
        REQUIRED,
        "Questions about each clip. One question about one clip gives a run folder; more "
        "questions or clips give a batch.",
        value=("Describe the video.",),
        min_length=1,
    )
    workers: int | None = WORKERS
    keep: tuple[Literal["maps", "mp4", "vtt", "html"], ...] = setting(
        ("maps", "mp4", "vtt", "html"), "Files to keep in each run folder, besides the answer."
    )
    formats: tuple[str, ...] = setting(
        (), 'Export formats: "coco", "cvat", "vtt", ...; see `tam-video export --list`.'
    )
    window_seconds: float | None = setting(
        None,
        "Split long videos into windows of this length, and ask about windows with motion.",
        unset="whole clips",
        example=30.0,
        gt=0,
    )
    stride_seconds: float | None = setting(
        None, "Time between window starts.", unset="the window length", example=15.0, gt=0
    )


@dataclass(frozen=True, slots=True)
class VideoQa:
    """A pipeline that answers questions about clips, and writes maps and reports."""

    options: VideoQaOptions
    options_type: ClassVar[type[PipelineOptions]] = VideoQaOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Create the pipeline, and check that every export format can be written.

        Raises:
            ConfigError: an unknown format, formats without maps, or options that windows exclude.
            MissingDependencyError: a format needs a package that is not installed.
        """
        checked = VideoQaOptions.model_validate(options)
        if checked.formats and "maps" not in checked.keep:
            raise ConfigError(
                "'formats' needs maps, but 'keep' does not contain \"maps\"",
                hint="add \"maps\" to 'keep'",
            )
        if checked.window_seconds is None and checked.stride_seconds is not None:
            raise ConfigError(
                "'stride_seconds' needs 'window_seconds'", hint="set 'window_seconds' too"
            )
        if checked.window_seconds is not None and (checked.formats or checked.workers):
            raise ConfigError(
                "'window_seconds' can't be combined with 'formats' or 'workers'",
                hint="remove 'formats' and 'workers'",
            )
        for name in checked.formats:
            EXPORTERS.load(name).check_package()
        return cls(checked)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Ask every question about every clip.

        Raises:
            ConfigError: an input does not exist.
            OutputError: the output contains something else.
            TamVideoError: the only clip can't be explained; failures of several are in the result.
        """
        clips = named_clips(self.options.inputs)
        run = self._run_one
        if self.options.window_seconds is not None:
            run = self._run_windows
        elif len(self.options.questions) > 1 or needs_batch(clips):
            run = self._run_batch
        return run(clips, force=force, progress=progress)

    def _run_one(
        self, clips: Mapping[str, str], *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        (source,), out = clips.values(), self.options.output
        run = explain_to_folder(
            source,
            out,
            self.options.questions[0],
            config=self.options.run,
            outputs={KEEP[name] for name in self.options.keep},
            force=force,
            progress=progress,
        )
        opens = run.files.get("report") or (run.videos[0] if run.videos else out)
        if self.options.formats:
            export_run(out, self.options.formats, progress=progress)
        summary = {"run_dir": str(out), "answer": run.explanation.answer}
        return PipelineResult(opens, summary, warnings=run.explanation.warnings)

    def _run_batch(
        self, clips: Mapping[str, str], *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        out = self.options.output
        problems = []
        num_done = num_resumed = 0
        for result in ask_in_batch(
            clips,
            self.options.questions,
            out,
            self.options,
            keep=self.options.keep,
            workers=self.options.workers,
            force=force,
            progress=progress,
        ):
            problem = failure(result) or self._export(Path(result.run_dir))
            problems += [problem] if problem else []
            num_done += not problem
            num_resumed += result.is_resumed
        counts = {"done": num_done, "failed": len(problems), "resumed": num_resumed}
        opens = out / ("index.html" if num_done else "failed.jsonl")
        summary = {"output_dir": str(out), **counts}
        return PipelineResult(opens, summary, len(problems), tuple(problems))

    def _run_windows(
        self, clips: Mapping[str, str], *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        """Write a timeline for each pair of clip and question to `NAME/question_N`."""
        windows = WindowOptions(self.options.window_seconds or 0, self.options.stride_seconds)
        options = LongOptions(windows=windows, report="html" in self.options.keep)
        out, files, problems = self.options.output, [], []
        questions = enumerate(self.options.questions, start=1)
        for (name, source), (number, question) in product(clips.items(), questions):
            try:
                result = explain_long(
                    source,
                    out / name / f"question_{number}",
                    question,
                    config=self.options.run,
                    options=options,
                    force=force,
                    verify=self.options.verify,
                    progress=progress,
                )
            except (InputError, ModelError) as exc:
                problems.append(f"{name}: {type(exc).__name__}: {exc.message}")
                continue
            files.append(result.files.get("report", result.folder))
            if result.failed:
                problems.append(f"{name}: {len(result.failed)} windows failed")
        opens = files[0] if len(files) == 1 else out
        summary = {"output_dir": str(out), "files": [str(path) for path in files]}
        return PipelineResult(opens, summary, len(problems), tuple(problems))

    def _export(self, run_dir: Path) -> str:
        """Export a run unless it has exports. Return an error message, or an empty string."""
        if not self.options.formats or (run_dir / "export").exists():
            return ""
        try:
            export_run(run_dir, self.options.formats)
        except TamVideoError as exc:
            return f"{run_dir.name}: {exc.message}"
        return ""
