"""A comparison as a folder: `comparison.json`, `differences.npz`, `compare.mp4`, a manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tam_video.analysis.comparison import Comparison, compare
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.export.manifest import new_run_folder, refuse_existing
from tam_video.export.run_folder import load_explanation
from tam_video.render.compare import render_comparison, run_names
from tam_video.render.options import RenderOptions
from tam_video.report.media import explained_source
from tam_video.stages import StepProgress
from tam_video.workspace.files import atomic_write, wrap_os_errors

COMPARISON = "comparison.json"
DIFFERENCES = "differences.npz"
VIDEO = "compare.mp4"


@dataclass(frozen=True, slots=True)
class ComparisonFiles:
    """A finished comparison.

    Attributes:
        folder: where it is.
        comparison: what was found.
        files: its files by what they are: "comparison", "differences", and "video" and "captions"
            where the clip was drawn.
        warnings: what had to give, in words.
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
    render: bool = True,
    options: RenderOptions | None = None,
    force: bool = False,
    progress: StepProgress | None = None,
) -> ComparisonFiles:
    """Compare run folders of one clip and write what was found.

    Args:
        run_dirs: finished runs.
        folder: the folder to write, aside first: it is complete or not there.
        video: where the clip is now, if it was moved.
        render: draw the runs side by side.
        options: how that looks.
        force: replace an earlier comparison.
        progress: called with the frames drawn and those there are.

    Raises:
        RunFolderError: a folder is not a finished run, or the clip is another one.
        ConfigError: the runs can't be compared.
        OutputExistsError: the folder exists and may not be replaced.
        TamVideoError: the clip can't be read, or a file can't be written.
    """
    places = [Path(each) for each in run_dirs]
    _refuse(Path(folder), force=force)
    runs = [load_explanation(place) for place in places]
    names = run_names(runs, _folder_names(places))
    return write_comparison(
        compare(runs, names),
        folder,
        video=video,
        render=render,
        options=options,
        force=force,
        progress=progress,
    )


def write_comparison(
    comparison: Comparison,
    folder: str | Path,
    *,
    video: str | Path | None = None,
    render: bool = True,
    options: RenderOptions | None = None,
    force: bool = False,
    progress: StepProgress | None = None,
) -> ComparisonFiles:
    """Write the folder of a comparison; arguments and errors as those of `compare_runs`."""
    target, runs = Path(folder), comparison.explanations
    _refuse(target, force=force)
    source = explained_source(runs[0], None if video is None else Path(video)) if render else None
    names = {"comparison": COMPARISON, "differences": DIFFERENCES}
    warnings: tuple[str, ...] = ()
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
            warnings = rendered.warnings
            names |= {"video": VIDEO, "captions": Path(VIDEO).with_suffix(".vtt").name}
    files = {key: target / name for key, name in names.items()}
    return ComparisonFiles(target, comparison, files, warnings)


def arrays(comparison: Comparison) -> dict[str, Any]:
    """The arrays of `differences.npz`.

    Returns:
        `slot_seconds` float64 [t], and for runs i < j `difference_i_j` float16 [K + 1, t, h, w] as
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
    """Raise where something else than an earlier comparison would be lost."""
    refuse_existing(target, force=force)
    if target.is_dir() and any(target.iterdir()) and not (target / COMPARISON).is_file():
        raise OutputExistsError(
            f"{target} exists and is no comparison", hint="choose another -o DIR"
        )


def _folder_names(places: Sequence[Path]) -> list[str]:
    """The folders' names, or their paths where names repeat.

    Raises:
        ConfigError: a folder is given twice.
    """
    resolved = [place.resolve() for place in places]
    if len(set(resolved)) < len(resolved):
        raise ConfigError("a run is given twice", hint="compare different run folders")
    names = [place.name for place in resolved]
    return names if len(set(names)) == len(names) else [str(place) for place in places]
