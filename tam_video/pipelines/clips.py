"""Find the clips in the inputs of a preset, and ask questions about the clips as a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path, PurePosixPath

from tam_video import batch
from tam_video.batch.clips import find_clips
from tam_video.batch.sources import is_remote, protocol
from tam_video.pipelines.base import PipelineOptions
from tam_video.stages import StageProgress


def named_clips(inputs: Sequence[str]) -> dict[str, str]:
    """Return the path or URL of each clip under a unique name. Duplicate clips are dropped.

    Clips are in input order. A name is the file name without suffix; a number is added to a
    name that is taken.

    Args:
        inputs: files, folders, globs or addresses.

    Raises:
        ConfigError: an input does not exist, or contains no clip.
        VideoOpenError: a store can't be read.
    """
    clips: dict[str, str] = {}
    taken: set[str] = set()
    for source in dict.fromkeys(source for text in inputs for _, source in find_clips(text)):
        names = numbered(PurePosixPath(source).stem)
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())
        clips[name] = source
    return clips


def numbered(name: str) -> Iterator[str]:
    """Yield NAME, NAME-2, NAME-3 and so on."""
    yield name
    yield from (f"{name}-{number}" for number in count(2))


def needs_batch(clips: Mapping[str, str]) -> bool:
    """Return whether a batch is needed: for several clips, or for a clip in remote storage."""
    return len(clips) > 1 or any(map(is_remote, clips.values()))


def ask_in_batch(
    clips: Mapping[str, str],
    questions: Sequence[str],
    folder: Path,
    options: PipelineOptions,
    *,
    keep: Sequence[str],
    workers: int | None = None,
    force: bool = False,
    progress: StageProgress | None = None,
) -> Iterator[batch.ItemResult]:
    """Ask every question about every clip. Yield new results and results of earlier runs.

    Args:
        clips: name -> path or address.
        questions: questions about each clip; the item of a clip's second question is `NAME#2`.
        folder: folder of the batch.
        options: settings of all runs, and whether finished runs are verified.
        keep: files to keep of each run: names of `tam_video.batch.work.KEEP`.
        workers: maximum number of workers; None for the default of the engine.
        force: remove an earlier batch first.
        progress: called with the number of finished items and the total.

    Raises:
        TamVideoError: as `tam_video.batch.run`.
    """
    rows = [
        {"id": name, "video": source, "questions": list(questions)}
        for name, source in clips.items()
    ]
    batch_options = batch.BatchOptions(
        workers=workers,
        retry_failed=True,
        keep=frozenset(keep),
        verify=options.verify,
        policy=batch.SourcePolicy(frozenset(filter(None, map(protocol, clips.values())))),
    )
    total = len(rows) * len(questions)
    results = batch.run(rows, folder, config=options.run, options=batch_options, force=force)
    with closing(results):
        for done, result in enumerate(results, start=1):
            yield result
            if progress is not None:
                progress("clips", done, total)


def failure(result: batch.ItemResult) -> str:
    """Return one line with the reason why an item failed, or an empty string if it did not fail."""
    error = result.error
    return f"{result.item.id}: {error.type}: {error.message}" if error else ""
