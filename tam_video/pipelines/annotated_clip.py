"""The annotated-clip pipeline: write `NAME.mp4` with word heatmaps and captions for each clip.

Several clips are run as a batch in a hidden folder of the output, which is removed when all are
done, so the same preset resumes an interrupted run.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from tam_video.batch.storage import BATCH_FILE
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.pipelines.base import WORKERS, PipelineOptions, PipelineResult, QuestionText
from tam_video.pipelines.clips import ask_in_batch, failure, named_clips, needs_batch
from tam_video.runs import explain_to_folder
from tam_video.settings.declare import REQUIRED, setting
from tam_video.stages import StageProgress
from tam_video.video.muxing import replacing
from tam_video.workspace.files import wrap_os_errors

_NAMES = {
    "annotated.png": "{}.png",  # if the input is an image
    "annotated.mp4": "{}.mp4",
    "captions.vtt": "{}.vtt",
    "preview.gif": "{}.gif",
    "preview.webp": "{}.webp",
    "stills.png": "{}-stills.png",
    "stills.pdf": "{}-stills.pdf",
    "stills.svg": "{}-stills.svg",
}
"""File of a run folder -> its name in the output; the result opens the first one."""


class AnnotatedClipOptions(PipelineOptions):
    """Preset options of `annotated-clip`."""

    question: QuestionText = setting(
        REQUIRED,
        "Question about every clip. Heatmaps show the words of the answer.",
        value="Describe the video.",
    )
    keep_runs: bool = setting(False, "Keep run folders (answers, maps, manifests) in `runs`.")
    workers: int | None = WORKERS


@dataclass(frozen=True, slots=True)
class AnnotatedClip:
    """A pipeline that writes an annotated MP4 and captions for each clip."""

    options: AnnotatedClipOptions
    options_type: ClassVar[type[PipelineOptions]] = AnnotatedClipOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> Self:
        """Create the pipeline, and check that rendering is enabled.

        Raises:
            ConfigError: rendering is disabled.
        """
        checked = AnnotatedClipOptions.model_validate(options)
        if not checked.run.render:
            raise ConfigError(
                "annotated-clip needs rendering, but 'run.render' is false",
                hint="remove 'run.render'",
            )
        return cls(checked)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Annotate every clip.

        Raises:
            ConfigError: an input does not exist.
            OutputExistsError: a result would replace a file; inputs are never replaced.
            TamVideoError: the only clip can't be explained; failures of several are in the result.
        """
        clips = named_clips(self.options.inputs)
        run = self._run_batch if needs_batch(clips) else self._run_one
        return run(clips, force=force, progress=progress)

    def _run_one(
        self, clips: Mapping[str, str], *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        ((name, source),), out = clips.items(), self.options.output
        _check_free(clips, out, may_exist=force)
        with wrap_os_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            temporary = tempfile.TemporaryDirectory(prefix=f".{out.name[:60]}.", dir=out.parent)
        with temporary:
            runs = out / "runs" if self.options.keep_runs else Path(temporary.name)
            run = explain_to_folder(
                source,
                runs / name,
                self.options.question,
                config=self.options.run,
                outputs=("maps", "video", "captions"),
                force=force,
                progress=progress,
            )
            files = _copy_files(run.run_dir, name, out)
        summary = {"answer": run.explanation.answer, "files": [str(path) for path in files]}
        return PipelineResult(files[0], summary, warnings=run.explanation.warnings)

    def _run_batch(
        self, clips: Mapping[str, str], *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        out, keep_runs = self.options.output, self.options.keep_runs
        runs = out / ("runs" if keep_runs else ".runs")
        _check_free(clips, out, may_exist=force or (runs / BATCH_FILE).is_file())
        failed, files = [], []
        for result in ask_in_batch(
            clips,
            [self.options.question],
            runs,
            self.options,
            keep=("maps", "mp4", "vtt", "html") if keep_runs else ("mp4", "vtt"),
            workers=self.options.workers,
            force=force,
            progress=progress,
        ):
            if result.error is None:
                files += _copy_files(Path(result.run_dir), result.item.id, out)
            else:
                failed.append(failure(result))
        if not (keep_runs or failed):
            shutil.rmtree(runs, ignore_errors=True)
        counts = {"done": len(clips) - len(failed), "failed": len(failed)}
        summary = {"output_dir": str(out), **counts, "files": [str(path) for path in files]}
        return PipelineResult(out, summary, len(failed), tuple(failed))


def _check_free(clips: Mapping[str, str], out: Path, *, may_exist: bool) -> None:
    """Raise an error if an output file is an input, or if it exists and `may_exist` is not set."""
    sources = [path for source in clips.values() if (path := Path(source)).exists()]
    for target in (out / file.format(name) for name in clips for file in _NAMES.values()):
        if not os.path.lexists(target):
            continue
        if target.exists() and any(target.samefile(source) for source in sources):
            raise OutputExistsError(
                f"{target} is an input, which is never replaced",
                hint="choose another output folder with -o",
            )
        if not may_exist:
            raise OutputExistsError(
                f"{target} already exists",
                hint="choose another output folder with -o, or pass --force to replace the file",
            )


def _copy_files(run_dir: Path, name: str, out: Path) -> list[Path]:
    """Copy the rendered files of a run atomically to the output, and return the new paths."""
    names = {run_dir / file: out / new.format(name) for file, new in _NAMES.items()}
    files = {file: target for file, target in names.items() if file.is_file()}
    with wrap_os_errors(out):
        out.mkdir(exist_ok=True)
        for file, target in files.items():
            with replacing(target) as partial:
                shutil.copy(file, partial)
    return list(files.values())
