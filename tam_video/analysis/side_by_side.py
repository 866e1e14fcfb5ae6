"""Render several runs of one clip side by side."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tam_video.errors import ConfigError, OutputExistsError
from tam_video.export.document import load_explanation
from tam_video.render.compare import render_comparison, run_names
from tam_video.render.options import RenderOptions
from tam_video.stages import StageProgress, StageTimer
from tam_video.types import Explanation
from tam_video.video.source import check_source
from tam_video.workspace.files import wrap_os_errors

logger = logging.getLogger(__name__)


def compared_source(
    runs: Sequence[Explanation], video: str | Path | None, *, allow_other: bool
) -> tuple[Path, tuple[str, ...]]:
    """Find and check the clip that all runs explain, and return its path and warnings.

    Raises:
        InputError: the clip can't be read.
        RunFolderError: it is not the clip that a run explained.
    """
    path = Path(video) if video is not None else runs[0].info.path
    checked = [check_source(run.inputs[0], path, allow_other=allow_other) for run in runs]
    warnings = dict.fromkeys(line for source in checked for line in source.warnings)
    return path, tuple(warnings)


def render_compared(
    run_dirs: Sequence[str | Path],
    mp4: str | Path,
    *,
    options: RenderOptions | None = None,
    video: str | Path | None = None,
    allow_other_video: bool = False,
    force: bool = False,
    progress: StageProgress | None = None,
) -> tuple[Path, ...]:
    """Render several finished runs of one clip side by side.

    Args:
        run_dirs: finished run folders; of each, the first input is drawn.
        mp4: the file to write; captions and previews are written beside it.
        options: how it looks.
        video: where the clip is now, if it was moved.
        allow_other_video: accept a copy with other content, see `check_source`.
        force: replace existing files.
        progress: called as frames are drawn.

    Returns:
        The paths of the written files, the MP4 first.

    Raises:
        RunFolderError: not a finished run, or not of the same clip.
        OutputExistsError: a file exists and `force` is not set.
    """
    folders, target = [Path(each) for each in run_dirs], Path(mp4)
    runs = [load_explanation(folder).of_input(0) for folder in folders]
    look = replace(options or RenderOptions(), layout="overlay")
    if target.suffix.lower() != ".mp4":
        raise ConfigError(
            f"the name of the output file, {target.name}, does not end in .mp4",
            hint="choose a file name such as -o comparison.mp4",
        )
    names = [target.name] + [f"{target.stem}.{kind}" for kind in ("vtt", *look.previews)]
    for path in (target.with_name(name) for name in names):
        if path.exists() and not force:
            raise OutputExistsError(
                f"{path} exists",
                hint="choose another output file with -o, or pass --force to overwrite",
            )
    source, warnings = compared_source(runs, video, allow_other=allow_other_video)
    for line in warnings:
        logger.warning(line)
    stages = StageTimer(progress)
    with wrap_os_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".compare.", dir=target.parent) as aside:
            with stages.stage("render"):
                render_comparison(
                    runs,
                    run_names(runs, [folder.resolve().name for folder in folders]),
                    source,
                    Path(aside) / target.name,
                    options=look,
                    progress=partial(stages.report, "render"),
                )
            return tuple((Path(aside) / name).replace(target.with_name(name)) for name in names)
