"""Clips in, annotated clips out: `NAME.mp4` with the heat of the words, and its captions.

Several clips are run as a batch in a hidden folder of the output, which goes when all are done: the
same preset goes on where it was stopped.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from tam_video.batch.sources import is_remote
from tam_video.batch.storage import BATCH_FILE
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.pipelines.asking import (
    NamedClip,
    QuestionText,
    ask_in_batch,
    failure,
    named_clips,
    remove_batch,
)
from tam_video.pipelines.base import PipelineOptions, PipelineResult
from tam_video.runs import explain_to_folder
from tam_video.stages import StageProgress
from tam_video.workspace.files import wrap_os_errors

_NAMES = {
    "annotated.png": "{}.png",  # of a picture
    "annotated.mp4": "{}.mp4",
    "captions.vtt": "{}.vtt",
    "preview.gif": "{}.gif",
    "preview.webp": "{}.webp",
    "stills.png": "{}-stills.png",
    "stills.pdf": "{}-stills.pdf",
    "stills.svg": "{}-stills.svg",
}
"""File of a run folder -> what it is called in the output; the first one is opened."""


class AnnotatedClipOptions(PipelineOptions):
    """What a preset of `annotated-clip` may say.

    Attributes:
        question: what is asked of every clip; its answer's words are drawn.
        keep_runs: keep the run folders too, in `runs`: answers, maps, manifests.
        workers: processes that work side by side on several clips; None for one a GPU, or one.
    """

    question: QuestionText
    keep_runs: bool = False
    workers: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, slots=True)
class AnnotatedClip:
    """One annotated MP4 for each clip, and nothing else."""

    options: AnnotatedClipOptions
    options_type: ClassVar[type[PipelineOptions]] = AnnotatedClipOptions

    @classmethod
    def from_options(cls, options: PipelineOptions) -> AnnotatedClip:
        """Check that something is drawn.

        Raises:
            ConfigError: the settings draw nothing.
        """
        asked = AnnotatedClipOptions.model_validate(options)
        if not asked.run.render:
            raise ConfigError("an annotated clip is drawn", hint="leave run.render out")
        return cls(asked)

    def run(self, *, force: bool = False, progress: StageProgress | None = None) -> PipelineResult:
        """Annotate every clip.

        Raises:
            ConfigError: an input that is not there.
            OutputExistsError: a file is in the way; an input never gives way.
            TamVideoError: the only clip can't be explained; of several, the result tells.
        """
        clips = named_clips(self.options.inputs)
        if len(clips) == 1 and not is_remote(clips[0].source):
            return self._one(clips[0], force=force, progress=progress)
        return self._many(clips, force=force, progress=progress)

    def _one(
        self, clip: NamedClip, *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        out = self.options.output
        _check_free([clip], out, may_exist=force)
        with wrap_os_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            aside = tempfile.TemporaryDirectory(prefix=f".{out.name[:60]}.", dir=out.parent)
        with aside:
            runs = out / "runs" if self.options.keep_runs else Path(aside.name)
            run = explain_to_folder(
                clip.source,
                runs / clip.name,
                self.options.question,
                config=self.options.run,
                force=force,
                progress=progress,
            )
            made = _taken_out(run.run_dir, clip.name, out)
        summary = {"answer": run.explanation.answer, "files": [str(path) for path in made]}
        return PipelineResult(made[0], summary, warnings=run.explanation.warnings)

    def _many(
        self, clips: Sequence[NamedClip], *, force: bool, progress: StageProgress | None
    ) -> PipelineResult:
        out, keeps = self.options.output, self.options.keep_runs
        runs = out / ("runs" if keeps else ".runs")
        _check_free(clips, out, may_exist=force or (runs / BATCH_FILE).is_file())
        if force:
            remove_batch(runs)
        failed, made = [], []
        for result in ask_in_batch(
            clips,
            [self.options.question],
            runs,
            settings=self.options.run,
            keep=("maps", "mp4", "vtt", "html") if keeps else ("mp4", "vtt"),
            workers=self.options.workers,
            progress=progress,
        ):
            if result.error is None:
                made += _taken_out(Path(result.run_dir), result.item.id, out)
            else:
                failed.append(failure(result))
        if not (keeps or failed):
            shutil.rmtree(runs, ignore_errors=True)
        counts = {"done": len(clips) - len(failed), "failed": len(failed)}
        summary = {"output_dir": str(out), **counts, "files": [str(path) for path in made]}
        return PipelineResult(out, summary, len(failed), tuple(failed))


def _check_free(clips: Sequence[NamedClip], out: Path, *, may_exist: bool) -> None:
    """Raise where a file is in the way of a result.

    Raises:
        OutputExistsError: see above; an input always is in the way.
    """
    sources = [path for clip in clips if (path := Path(clip.source)).exists()]
    for target in (out / name.format(clip.name) for clip in clips for name in _NAMES.values()):
        if not os.path.lexists(target):
            continue
        if target.exists() and any(target.samefile(source) for source in sources):
            raise OutputExistsError(f"{target} is an input", hint="choose another -o DIR")
        if not may_exist:
            raise OutputExistsError(f"{target} exists", hint="choose another -o, or pass --force")


def _taken_out(run_dir: Path, clip_name: str, out: Path) -> list[Path]:
    """Copy what was drawn to where it is looked for; each file is whole or not there."""
    made = []
    with wrap_os_errors(out):
        out.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".copy.", dir=out) as aside:
            for drawn, name in _NAMES.items():
                if (run_dir / drawn).is_file():
                    copy = Path(shutil.copy(run_dir / drawn, aside))
                    made.append(copy.replace(out / name.format(clip_name)))
    return made
