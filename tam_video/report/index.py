"""Write an index page for several runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tam_video.errors import OutputExistsError, RunFolderError
from tam_video.export.document import input_rows, read_calibration
from tam_video.export.manifest import MANIFEST
from tam_video.report.content import last_name
from tam_video.report.page import GENERATOR, Page, index_page
from tam_video.report.writing import REPORT, THUMB
from tam_video.workspace.files import atomic_write

INDEX = "index.html"
MAX_DEPTH = 4
_LONGEST_TEXT = 400
_HEAD_BYTES = 2048


def find_runs(directory: Path, *, max_depth: int = MAX_DEPTH) -> list[Path]:
    """Return all run folders in a folder, sorted by path. The folder itself can be a run folder.

    Hidden folders and links to folders are not followed.
    """
    return sorted(_runs(directory, max_depth))


def _runs(directory: Path, depth: int) -> Iterator[Path]:
    if (directory / MANIFEST).is_file() and (directory / "explanation.json").is_file():
        yield directory
        return
    if depth <= 0:
        return
    try:
        inside = list(directory.iterdir())
    except OSError:
        return
    for path in inside:
        if path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _runs(path, depth - 1)


def write_index(
    run_dirs: Sequence[str | Path],
    output: str | Path,
    *,
    title: str | None = None,
    force: bool = False,
) -> Path:
    """Write `index.html` with a card for each run. The page can filter and sort the cards.

    Args:
        run_dirs: run folders, in the initial order of the page.
        output: the page; cards link to the runs' `report.html` relative to it.
        title: its heading; by default the name of its folder.
        force: replace any existing file; an earlier index page is always replaced.

    Returns:
        `output`.

    Raises:
        OutputExistsError: another file exists and `force` is not set.
        RunFolderError: a folder is not a finished run.
        ExportError: it can't be written.
    """
    target = Path(output)
    refuse_foreign(target, force=force)
    page = render_index([Path(each) for each in run_dirs], target.parent, title=title)
    return atomic_write(target, page.encoded())


def refuse_foreign(target: Path, *, force: bool = False) -> None:
    """Raise an error if the target exists and was not written by tam-video.

    Raises:
        OutputExistsError: such a file exists.
    """
    if force or not os.path.lexists(target):
        return
    is_file = target.is_file() and not target.is_symlink()
    if not is_file or GENERATOR.encode() not in target.read_bytes()[:_HEAD_BYTES]:
        raise OutputExistsError(
            f"{target} exists and was not written by tam-video",
            hint="choose another output file with -o",
        )


def render_index(run_dirs: Sequence[Path], folder: Path, *, title: str | None = None) -> Page:
    """Return the HTML of the index page. Links are relative to `folder`.

    Raises:
        RunFolderError: a folder is not a finished run.
    """
    rows = [index_row(run, os.path.relpath(run, folder)) for run in run_dirs]
    return index_page(rows, title=title or folder.resolve().name or "Runs")


def index_row(run: Path, address: str) -> dict[str, Any]:
    """Return the content of a run's card: `name`, `question`, `answer`, `model`, `seconds`, ...

    Args:
        run: a run folder.
        address: its path relative to the page.

    Raises:
        RunFolderError: `explanation.json` can't be read.
    """
    try:
        document = json.loads((run / "explanation.json").read_text(encoding="utf-8"))
        first, *others = input_rows(document)
        info, settings = first["video"], document["settings"]
        base = "/".join(quote(part, safe="") for part in Path(address).parts)
        prefix = "" if base in ("", ".") else f"{base}/"
        return {
            "name": Path(info["path"]).name + (f" + {len(others)} more" if others else ""),
            "question": str(document["question"])[:_LONGEST_TEXT],
            "answer": str(document["answer"])[:_LONGEST_TEXT],
            "model": last_name(settings.get("model", "")),
            "seconds": float(info["duration_seconds"]),
            "length": "picture" if info.get("is_image") else f"{info['duration_seconds']:.1f} s",
            "words": len(document["words"]),
            "made": (run / MANIFEST).stat().st_mtime,
            "calibration": read_calibration(document.get("calibration")),
            "url": f"{prefix}{REPORT}",
            "thumb": f"{prefix}{THUMB}" if (run / THUMB).is_file() else "",
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise RunFolderError(
            f"{run} is not a finished run: {exc}",
            hint="pass folders that `tam-video explain` wrote",
        ) from exc
