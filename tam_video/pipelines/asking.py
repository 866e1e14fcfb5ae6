"""Questions on several clips: the clips of a preset's inputs, and a batch of them in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import StringConstraints

from tam_video import batch
from tam_video.batch.clips import find_clips
from tam_video.batch.ledger import LEDGER
from tam_video.batch.sources import protocol
from tam_video.batch.storage import BATCH_FILE, RUNS, FolderStorage
from tam_video.config import RunConfig
from tam_video.errors import ConfigError, OutputExistsError
from tam_video.stages import StageProgress
from tam_video.workspace.files import wrap_os_errors

QuestionText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""What a preset asks."""

_BATCH_NAMES = (BATCH_FILE, RUNS, ".", LEDGER, "summary.", "failed.jsonl", "index.html")


@dataclass(frozen=True, slots=True)
class NamedClip:
    """A clip.

    Attributes:
        name: its file name without the ending; a number is added where two are alike.
        source: its path or address.
    """

    name: str
    source: str


def named_clips(inputs: Sequence[str]) -> list[NamedClip]:
    """Every clip once, in the order of the inputs.

    Args:
        inputs: files, folders, globs or addresses.

    Raises:
        ConfigError: an input does not exist, or there is no clip in one.
        VideoOpenError: a store can't be read.
    """
    sources = list(dict.fromkeys(source for text in inputs for source in _sources(text)))
    taken: set[str] = set()
    named = []
    for source in sources:
        stem = PurePosixPath(source).stem
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.casefold())
        named.append(NamedClip(name, source))
    return named


def ask_in_batch(
    clips: Sequence[NamedClip],
    questions: Sequence[str],
    folder: Path,
    *,
    settings: RunConfig,
    keep: Sequence[str],
    workers: int | None = None,
    progress: StageProgress | None = None,
) -> Iterator[batch.ItemResult]:
    """Ask every question of every clip; what an earlier run has done is only told.

    Args:
        clips: whom to ask.
        questions: each is asked of each clip; the item of a clip's second one is `NAME#2`.
        folder: the batch's: new, empty, or that of the same batch.
        settings: of all runs.
        keep: what stays of a run: names of `tam_video.batch.work.KEEP`.
        workers: how many at most; None for as many as there is room for.
        progress: called with the items that have ended, and how many there are.

    Raises:
        TamVideoError: as `tam_video.batch.run`.
    """
    rows = [{"id": clip.name, "video": clip.source, "questions": list(questions)} for clip in clips]
    stores = {protocol(clip.source) for clip in clips} - {None, "file"}
    options = batch.BatchOptions(
        workers=workers,
        retry_failed=True,
        keep=frozenset(keep),
        policy=batch.SourcePolicy(frozenset(filter(None, stores))),
    )
    total = len(rows) * len(questions)
    with closing(batch.run(rows, folder, config=settings, options=options)) as results:
        for done, result in enumerate(results, start=1):
            yield result
            if progress is not None:
                progress("clips", done, total)


def failure(result: batch.ItemResult) -> str:
    """How an item failed, in a line; empty where it did not."""
    error = result.error
    return f"{result.item.id}: {error.type}: {error.message}" if error else ""


def remove_batch(folder: Path) -> None:
    """Remove an earlier batch; a folder that holds none is left as it is.

    Raises:
        OutputExistsError: the folder holds files that no batch has written.
        ConfigError: another process works there.
        ExportError: it can't be removed.
    """
    if not (folder / BATCH_FILE).is_file():
        return
    strange = [path.name for path in folder.iterdir() if not path.name.startswith(_BATCH_NAMES)]
    if strange:
        raise OutputExistsError(
            f"{folder} holds more than a batch: {min(strange)}", hint="choose another -o DIR"
        )
    storage = FolderStorage(folder)
    storage.lock(LEDGER)
    try:
        with wrap_os_errors(folder):
            shutil.rmtree(folder)
    finally:
        storage.release()


def _sources(text: str) -> Iterator[str]:
    found = [source for _, source in find_clips(text)]
    if not found:
        raise ConfigError(
            f"{text} holds no videos or pictures", hint="give files, folders or globs"
        )
    yield from found
