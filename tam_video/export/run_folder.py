"""Run folders without videos: the implementation of `Explanation.save` and `Explanation.load`."""

from __future__ import annotations

from pathlib import Path

from tam_video.export.arrays import write_arrays
from tam_video.export.document import read_explanation, write_document
from tam_video.export.manifest import new_run_folder, read_manifest
from tam_video.types import Explanation


def save_explanation(explanation: Explanation, directory: Path, *, force: bool = False) -> Path:
    """Write `explanation.json`, `maps.npz` and `manifest.json`, all or none.

    Raises:
        OutputExistsError: the folder exists and `force` is not set, or it is not a run folder.
        ExportError: the folder can't be written.
    """
    with new_run_folder(directory, force=force) as folder:
        write_arrays(explanation, folder / "maps.npz")
        write_document(explanation, folder / "explanation.json")
    return directory


def load_explanation(directory: Path) -> Explanation:
    """Read a run folder.

    Raises:
        RunFolderError: it is not a finished run, or it is damaged.
    """
    read_manifest(directory)
    return read_explanation(directory)
