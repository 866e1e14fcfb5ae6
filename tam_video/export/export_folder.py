"""Write the files of an export to a folder; if one file fails, none is written.

Files are written into a hidden folder in it and then moved. `exports.json` lists the exports: only
these are replaced, and only with `force`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tam_video.errors import ConfigError, OutputExistsError
from tam_video.export.text_files import write_json
from tam_video.workspace.files import move_all, temporary_folder, wrap_os_errors

INDEX_FILE = "exports.json"
INDEX_VERSION = 1


def refuse_existing_exports(
    target: Path, files: Mapping[str, Sequence[Path]], *, force: bool
) -> None:
    """Raise an error if a file exists, unless it is an earlier export and `force` is set.

    Raises:
        ConfigError: two formats write the same file.
        OutputExistsError: a file exists and is not an export, or `force` is not set.
    """
    if os.path.lexists(target) and not target.is_dir():
        raise OutputExistsError(f"{target} is not a folder", hint="choose a folder with -o DIR")
    requested = [path for paths in files.values() for path in paths]
    twice = {path.name for path in requested if requested.count(path) > 1}
    if twice:
        raise ConfigError(
            f"two formats write {', '.join(sorted(twice))}",
            hint="export these formats one at a time",
        )
    exports = {name for names in _read_index(target).values() for name in names}
    for path in requested:
        if os.path.lexists(path):
            if path.name not in exports:
                raise OutputExistsError(
                    f"{path} exists and is not an export", hint="choose another folder with -o DIR"
                )
            if not force:
                raise OutputExistsError(
                    f"{path} exists",
                    hint="choose another folder with -o DIR, or pass --force to overwrite files",
                )


def _read_index(target: Path, key: str = "formats") -> dict[str, list[str]]:
    """Return the file names (or warnings) of each format, or {} if the index is unreadable."""
    try:
        document = json.loads((target / INDEX_FILE).read_text(encoding="utf-8"))
        return {str(name): [str(line) for line in lines] for name, lines in document[key].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


@contextmanager
def export_folder(
    target: Path, files: Mapping[str, Sequence[Path]], *, warnings: Sequence[str] = ()
) -> Iterator[Path]:
    """Yield a temporary folder, and move its files into `target` on success.

    Args:
        target: the folder, created if it does not exist.
        files: the files and folders of each format, in `target`; the temporary folder must have
            the same names.
        warnings: about the source of these formats; the index records them.

    Raises:
        ExportError: it can't be written; `target` is unchanged.
    """
    is_new = not target.exists()
    try:
        with temporary_folder(target, prefix=".export.") as temporary:
            new = temporary / "new"
            new.mkdir()
            yield new
            with wrap_os_errors(target):
                index, recorded = _read_index(target), _read_index(target, "warnings")
                index |= {name: [path.name for path in paths] for name, paths in files.items()}
                recorded |= {name: list(warnings) for name in files}
                document = {"index_version": INDEX_VERSION, "formats": dict(sorted(index.items()))}
                if recorded := {name: lines for name, lines in sorted(recorded.items()) if lines}:
                    document["warnings"] = recorded
                write_json(document, new / INDEX_FILE)
                # The index is moved first: after an interruption the moved files can be replaced.
                names = [INDEX_FILE, *(path.name for paths in files.values() for path in paths)]
                move_all(names, new, target)
    finally:
        if is_new:
            with suppress(OSError):  # not empty after a success
                target.rmdir()
