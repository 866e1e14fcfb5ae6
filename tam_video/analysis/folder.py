"""Write a comparison folder: `comparison.json`, `differences.npz`, `compare.mp4` and a manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.analysis.comparison import Comparison, compare
from tam_video.analysis.side_by_side import compared_source
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.export.document import load_explanation
from tam_video.export.manifest import new_run_folder, refuse_existing
from tam_video.render.compare import render_comparison, run_names
from tam_video.render.options import RenderOptions
from tam_video.stages import StepProgress
from tam_video.workspace.files import atomic_write, wrap_os_errors

COMPARISON = "comparison.json"
DIFFERENCES = "differences.npz"
VIDEO = "compare.mp4"


@dataclass(frozen=True, slots=True)
class ComparisonFiles:
    """The result of a comparison, and the paths of its files.

    Attributes:
        folder: where it is.
        comparison: the figures.
        files: its files by kind: "comparison", "differences", and "video" and "captions" if the
            clip was drawn.
        warnings: fallbacks that were taken, in words.
    """

    folder: Path
    comparison: Comparison
    files: dict[str, Path]
    warnings: tuple[str, ...] = ()


def compare_runs(
    run_dirs: Sequence[str | Path],
    folder: str | Path,
    *,
    video: str | Path | None = None,
    allow_other_video: bool = False,
    render: bool = True,
    options: RenderOptions | None = None,
    force: bool = False,
    progress: StepProgress | None = None,
) -> ComparisonFiles:
    """Compare run folders that explain the same clip, and write the results to a folder.

    Args:
        run_dirs: finished runs.
        folder: the folder to write; it is complete or not there.
        video: where the clip is now, if it was moved.
        allow_other_video: accept a copy with other content, see `check_source`.
        render: draw the runs side by side.
        options: how that looks.
        force: replace an earlier comparison.
        progress: called with the number of frames drawn and the total.

    Raises:
        RunFolderError: a folder is not a finished run, or the clip is another one.
        ConfigError: the runs can't be compared.
        OutputExistsError: the folder exists and may not be replaced.
    """
    paths, target = [Path(each) for each in run_dirs], Path(folder)
    _refuse(target, force=force)
    runs = [load_explanation(path) for path in paths]
    comparison = compare(runs, run_names(runs, _folder_names(paths)))
    source, warnings = (
        compared_source(runs, video, allow_other=allow_other_video) if render else (None, ())
    )
    names = {"comparison": COMPARISON, "differences": DIFFERENCES}
    with new_run_folder(target, force=force) as temporary:
        text = json.dumps(comparison.as_dict(), ensure_ascii=False, indent=1, allow_nan=False)
        atomic_write(temporary / COMPARISON, text + "\n")
        with wrap_os_errors(target):
            np.savez_compressed(temporary / DIFFERENCES, allow_pickle=False, **arrays(comparison))
        if source is not None:
            rendered = render_comparison(
                runs,
                comparison.names,
                source,
                temporary / VIDEO,
                options=options,
                progress=progress,
            )
            warnings = (*warnings, *rendered.warnings)
            names |= {"video": VIDEO, "captions": Path(VIDEO).with_suffix(".vtt").name}
    files = {key: target / name for key, name in names.items()}
    return ComparisonFiles(target, comparison, files, warnings)


def arrays(comparison: Comparison) -> dict[str, Any]:
    """Return the arrays of `differences.npz`.

    `slot_seconds` is float64 [t], and for runs i < j `difference_i_j` float16 [K + 1, t, h, w] as
    `Pair.differences`, in the order of the words in `comparison.json`, the answers last.
    """
    return {
        "slot_seconds": comparison.grid.slot_seconds,
        **{
            f"difference_{pair.first}_{pair.second}": pair.differences.astype(np.float16)
            for pair in comparison.pairs
        },
    }


def _refuse(target: Path, *, force: bool) -> None:
    """Raise an error if the target exists and is not a comparison folder that may be replaced."""
    refuse_existing(target, force=force)
    if target.is_dir() and any(target.iterdir()) and not (target / COMPARISON).is_file():
        raise OutputExistsError(
            f"{target} exists and is not a comparison folder",
            hint="choose another output folder with -o",
        )


def _folder_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of the folders, or their paths if two names are equal."""
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        raise ConfigError(
            "the same run folder is passed twice", hint="compare different run folders"
        )
    names = [path.name for path in resolved]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
